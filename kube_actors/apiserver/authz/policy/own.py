"""Roles that Kubernetes does not have, for what we run besides, and how nodes join.

A new controller's rights belong into controllers.py where Kubernetes has a role for it, else into the first one here.
"""

from __future__ import annotations

from kube_actors.apiserver.authz.policy.table import cluster_roles

ROLES = cluster_roles("""
kube-actors:default-storage-classes
  create | storage.k8s.io | storageclasses
kube-actors:node-volumes
  read patch | core | persistentvolumes
""")

# Binding: role, subjects. As kubeadm binds them, so that who shows a bootstrap token gets a node's certificate.
BINDINGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "kube-actors:node-volumes": ("kube-actors:node-volumes", ("Group/system:nodes",)),
    "kube-actors:kubelet-bootstrap": ("system:node-bootstrapper", ("Group/system:bootstrappers",)),
    "kube-actors:node-autoapprove-bootstrap": (
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        ("Group/system:bootstrappers",),
    ),
    "kube-actors:node-autoapprove-certificate-rotation": (
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        ("Group/system:nodes",),
    ),
}
