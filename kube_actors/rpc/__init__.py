"""gRPC, and the only package that imports it: servers, channels, TLS, error mapping, generated stubs.

A service is a plain object whose methods have the names of the .proto; `server.py` finds them through
the service's descriptor, so no generated servicer is inherited. A client is a `Stub` over a `Channel`.
On the way, exceptions of `kube_actors.api.errors` become gRPC statuses and come out as themselves.
"""
