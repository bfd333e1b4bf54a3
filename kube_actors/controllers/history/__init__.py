"""ControllerRevisions: the templates that a StatefulSet or DaemonSet had, by which it knows and restores old ones.

    revisions.py   which revision is the present one, the next number, the data and its comparison (pure)
    ensure.py      creates the present revision, or numbers it anew when an old template comes back

A revision's data is a strategic merge patch that puts its template in place, as kubectl rollout undo expects.
Contract: k8s.io/kubernetes/pkg/controller/history.
"""
