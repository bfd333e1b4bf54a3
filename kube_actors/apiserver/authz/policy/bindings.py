"""Who has the default cluster roles."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.apiserver.authz.policy import controllers, own
from kube_actors.apiserver.authz.policy.table import GROUP, metadata

SYSTEM_NAMESPACE = "kube-system"
MANAGER = "system:kube-controller-manager"

# Role: kind/name of each subject.
_TABLE = {
    "cluster-admin": ("Group/system:masters",),
    "system:monitoring": ("Group/system:monitoring",),
    "system:discovery": ("Group/system:authenticated",),
    "system:basic-user": ("Group/system:authenticated",),
    "system:public-info-viewer": ("Group/system:authenticated", "Group/system:unauthenticated"),
    "system:node-proxier": ("User/system:kube-proxy",),
    "system:kube-controller-manager": (f"User/{MANAGER}",),
    "system:kube-dns": ("ServiceAccount/kube-dns",),
    "system:kube-scheduler": ("User/system:kube-scheduler",),
    "system:volume-scheduler": ("User/system:kube-scheduler",),
    "system:service-account-issuer-discovery": ("Group/system:serviceaccounts",),
    "system:node": (),
    # Ours: see controllers.py.
    "kube-actors:controller-manager": (f"User/{MANAGER}",),
}


def subject(text: str) -> Obj:
    """`User/jane`, `Group/dev`, `ServiceAccount/name` of kube-system."""
    kind, _, name = text.partition("/")
    if kind == "ServiceAccount":
        return {"kind": kind, "name": name, "namespace": SYSTEM_NAMESPACE}
    return {"kind": kind, "apiGroup": GROUP, "name": name}


def _binding(name: str, role: str, subjects: tuple[str, ...]) -> Obj:
    found = {"subjects": [subject(one) for one in subjects]} if subjects else {}
    return {"metadata": metadata(name), **found, "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}}


_OF_CONTROLLERS = {
    role["metadata"]["name"]: (f"ServiceAccount/{role['metadata']['name'].removeprefix(controllers.PREFIX)}",)
    for role in controllers.ROLES
}
BINDINGS = [
    *(_binding(role, role, subjects) for role, subjects in (_TABLE | _OF_CONTROLLERS).items()),
    *(_binding(name, role, subjects) for name, (role, subjects) in own.BINDINGS.items()),
]
