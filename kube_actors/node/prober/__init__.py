"""Probes and HTTP/TCP checks of containers.

    Prober.sync(pod, view) ──> one ProbeWorker a (run, kind) ──> checks: exec, http, tcp, grpc
                                        └── results ──> Probed, by container id ──> plan and status

A worker belongs to one run of a container and ends with it. Nothing here decides: what a verdict means for the
container is the plan's business.
"""
