"""StatefulSet: pods with names, ordinals and volumes of their own, made and ended in order.

    controller.py   claims pods and revisions, performs the plan, writes the status whatever became of it
    plan.py         one sync (pure): replicas, then what is above or below the range, then the rolling update
    identity.py     names, ordinals, the pod of an ordinal
    claims.py       PersistentVolumeClaims: their names, their making, whom they belong to by the retention policy
    status.py       counts and revisions

Ordered (OrderedReady): a sync does one thing and waits until every pod before is available. Parallel: all at
once, but the rolling update still replaces one pod after another. It keeps no expectations: the names are
given, so that a second creation is refused, and a deletion names the uid.
Contract: k8s.io/kubernetes/pkg/controller/statefulset; maxUnavailable is left out as its feature is off in 1.36.
"""
