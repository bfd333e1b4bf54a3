"""The node agent: what a kubelet does for one node.

    pod informer (spec.nodeName) ──> PodManager ──update_pod()──> PodWorker, one a pod
    runtime.changes(), relist, probes, timers ──> PodManager ──poke()──┘   │
                                                                          v
    runtime.pod() ─> PodView ─> plan_pod (pure) ─> actions ─> Executor ─> Runtime
                        └─────> pod_status (pure) ─> StatusManager ─> API server

The runtime is the record of what runs: the agent keeps nothing on disk but the files of volumes and logs,
so after a restart it reads the runtime, adopts what it finds and restarts nothing. Decisions are pure
functions of (pod, what runs, what the agent remembers, now); only executor, volumes, prober and the
managers do IO. Several agents may share a process and a runtime class (simulated nodes by the thousand),
so nothing here is global.

What it does not do: it programs no network (the runtime attaches pods, `kube_actors.network` routes).
docs/node.md says what survives what, and what may be set.
"""
