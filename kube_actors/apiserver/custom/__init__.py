"""Custom resources as the server lives with them: CRDs become served resources, and their instances go with them.

    CRD in the cache -> names and conditions (its status) -> Resources in the registry -> REST, gRPC, discovery
    CRD being deleted -> its instances are deleted, then its finalizer goes, then what it made is served no more

Every API server does this by itself from what its cache shows, so all serve the same. What a CRD means is
`kube_actors.api.crd`; here is only what needs the store, the clock and the registry.
"""
