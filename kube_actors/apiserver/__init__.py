"""The API server: the Kubernetes REST API and our gRPC API over one pipeline.

    rest/ (HTTPS)  --+
                     +-> authn -> authz -> operations: decode -> admission -> defaults -> strategy -> validation
    grpc_api (gRPC) -+                         |                                    |
                                               |                                    v
                                               |                          registry: one compared write to the store
                                               v
                                        cache: reads, lists, watches, as bytes <- one watch stream of the store

- `request.py` is the vocabulary both edges speak; `operations.py` is every verb; neither knows HTTP or gRPC.
- `registry/` is the one store-backed engine for all kinds. A kind's own rules are a file of `strategies/`.
- `cache/` holds every object as the bytes to serve and fans one store stream out to all watchers.
- `admission/` is an ordered chain of small plugins.

An instance keeps no state of its own: any number of them serve one store, and a killed one loses nothing that was
acknowledged. All its waits are bounded; a watcher that lags is cut, not waited for.

What it deliberately does not do: run controllers, schedule, reach into nodes except to forward a user's stream,
or trust a read of its cache for a decision: every write is compared with the store's revision.
"""
