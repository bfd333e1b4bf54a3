"""ReplicaSet: as many pods of a template as spec.replicas says.

    controller.py   claims pods, keeps expectations, performs
    plan.py         which pods to create or delete (pure)
    status.py       the status that follows (pure)

Contract: k8s.io/kubernetes/pkg/controller/replicaset.
"""
