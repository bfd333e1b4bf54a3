"""Nodes that fall silent: their conditions turn Unknown, they are tainted, their pods leave after a while.

    health.py              what a node's lease and status say about it, and the conditions that follow (pure)
    taints.py              the taints that follow from conditions (pure)
    zones.py               how fast nodes may be given up, by the state of their zone (pure)
    controller.py          the node lifecycle controller: watches leases, writes conditions and taints
    eviction.py            which taint a pod tolerates for how long (pure)
    eviction_controller.py deletes pods from nodes with NoExecute taints

Contracts: k8s.io/kubernetes/pkg/controller/nodelifecycle and .../tainteviction.
"""
