"""Who constructs what: PKI, kubeconfig, config, the embedded cluster, Ray actors and their supervisor.

    config + paths + pki -> wiring -> components (plain asyncio objects)
                              ^
          embedded.py (one loop) | `kactl run` (one component) | actors/ (one Ray actor a component)

On a Ray of several nodes `hosts.py` says which machine has what, `placing.py` moves what has lost its machine, and
`actors/link.py` is how an actor elsewhere gets the plan and its certificates from the master.

The components know nothing of this package. It is the only one that imports ray, and it does so inside
`actors/`, `supervisor.py` and `ray_cluster.py` alone, so that an embedded cluster never pays for it.
"""
