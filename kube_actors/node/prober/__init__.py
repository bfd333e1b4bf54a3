"""Probes and HTTP/TCP checks of containers.

    Prober.sync(pod, view) ──> one ProbeWorker a (run, kind) ──> checks: exec, http, tcp
                                        └── results ──> Probed, by container id ──> plan and status

A worker belongs to one run of a container and ends with it. A gRPC probe needs a health client in `rpc/`;
until there is one its result is unknown, as for a handler that Kubernetes does not know.
"""
