"""Admission: an ordered chain of small plugins between decoding and the registry.

First every plugin's `admit` may change the object or refuse it, in order; after defaults and validation every
plugin's `validate` may refuse. Names and order are those of kube-apiserver's default plugins. A plugin reads
other objects through `Lookup`, whose answers may lag; what must not lag is asked of the store there.
"""
