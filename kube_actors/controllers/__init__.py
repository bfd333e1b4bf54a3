"""The controllers of kube-controller-manager: each drives one kind of object from what is to what should be.

Data path, the same for every controller:

    informer event -> handler enqueues a key -> WorkQueue -> sync(key)
        sync: read caches -> plan(..., now) -> actions -> Executor -> API server; status is the last action

`plan` functions are pure: objects in, frozen actions out, time as an argument. They are where the rules of
Kubernetes live and what the property tests drive. `base.Controller` is the shell that all share: informers,
one work queue, workers, backoff per key, counters. `manager.ControllerManager` leads (a Lease), starts the
controllers and stops them; a controller that fails backs off and counts it, and never takes another along.

What this package does not do on purpose: it keeps no state that a restart would lose (everything is rebuilt
from lists), it never calls another component than the API server, and no controller calls another one.
"""
