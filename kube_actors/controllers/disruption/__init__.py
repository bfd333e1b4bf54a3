"""PodDisruptionBudgets: how many pods may be evicted at the moment.

    controller.py  looks up pods and their owners' sizes, writes the status
    plan.py        counts and conditions (pure)
    scales.py      the size that the pods' owners want
    stale.py       a second controller: pods that were marked as disrupted and then stayed

The API server's eviction takes from status.disruptionsAllowed and notes the pod in status.disruptedPods; here
the pod is counted as gone for two minutes, or until it is.
Contract: k8s.io/kubernetes/pkg/controller/disruption.
"""
