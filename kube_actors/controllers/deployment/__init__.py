"""Deployment: ReplicaSets, one a revision, moved from the old to the new within the promise of the strategy.

    controller.py   claims ReplicaSets, performs, resolves name collisions
    plan.py         one sync (pure): which of the steps below applies
    revisions.py    new and old ReplicaSets, revision numbers, the new ReplicaSet, history limit
    rolling.py      a RollingUpdate step; recreate.py: a Recreate step; scaling.py: proportional scaling
    status.py       counts, Available and Progressing conditions, the progress deadline
    draft.py        ReplicaSets as this sync leaves them: one patch each at the end

Contract: k8s.io/kubernetes/pkg/controller/deployment. A rollback is a new template like any other; the
ReplicaSet that has it already is found again and gets the next revision number.
"""
