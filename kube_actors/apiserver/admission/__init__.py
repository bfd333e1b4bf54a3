"""Admission: an ordered chain of small plugins between decoding and the registry.

First every plugin's `admit` may change the object or refuse it, in order; after defaults and validation every
plugin's `validate` may refuse. Names and order are those of kube-apiserver's default plugins (`plugins.py`), one file a
plugin. A plugin reads other objects through `Lookup`, whose answers may lag; what must not lag is asked of the store.

    chain       what a plugin is given, and which plugins a request meets
    matching, conditions, expressions, admission_request, rounds      what webhooks and policies have in common
    webhook/    users' HTTPS servers            policy/    users' CEL expressions
    quota_*     what quotas count, and the ledger that charges them

Not here: most of what Kubernetes has turned off by default (ImagePolicyWebhook, EventRateLimit, PodNodeSelector, ...).
"""
