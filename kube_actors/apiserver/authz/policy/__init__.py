"""The roles and bindings that a cluster begins with: Kubernetes' defaults and few of our own.

`table.py` reads the notation in which they are written; `users.py`, `components.py`, `nodes.py` and
`controllers.py` are the roles of people, of the control plane's parts, of nodes and of each controller,
`bindings.py` who has them, `namespaces.py` what lies in kube-system and kube-public.
`own.py` has those that are ours alone.
Kubernetes: plugin/pkg/auth/authorizer/rbac/bootstrappolicy.
"""
