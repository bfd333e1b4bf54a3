"""DaemonSet: one pod on each node that takes it.

    controller.py   claims pods and revisions, performs the plan, writes the status, keeps the backoff of failed pods
    eligibility.py  which nodes should run the pod, and which may keep it; the tolerations that every such pod has
    pods.py         the pod of a node, which pods are up to date, which of several on a node counts
    plan.py         one sync (pure): pods that are missing, too many or failed; else a step of the rolling update
    rolling.py      a step of the rolling update: by maxUnavailable, or with maxSurge a second pod on the node
    status.py       counts

The pod is pinned by a node affinity to metadata.name and bound by the scheduler.
Contract: k8s.io/kubernetes/pkg/controller/daemon.
"""
