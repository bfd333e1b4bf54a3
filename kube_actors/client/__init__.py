"""The client of the API server, and what every component builds on it.

    KubeClient ──Session stream (writes, gets: batched per loop turn)──┐
               ──List, Watch, Bind, Logs ... (one call each)───────────┴─> API server
    Reflector (list + watch) -> Indexer (the cache) -> handlers        together: an Informer
    handlers -> WorkQueue -> a component's sync(key)
    LeaderElector over a Lease; EventRecorder writes Events

Objects are plain dicts. What a cache gives out is shared and must not be changed; `KUBE_CACHE_MUTATION_DETECTOR=true`
(on in tests) finds who did. `testing.FakeKubeClient` is the same interface in memory, for unit tests.

What it does not do: no typed object classes, no retries of writes (a write whose stream broke before
the answer raises a transient RpcError: it may or may not have happened, and only the caller knows
whether to repeat it), no client-side rate limit (the server has priority and fairness), no REST.
"""
