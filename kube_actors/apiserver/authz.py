"""Who may do what. Role-based access control comes later behind the same `Authorizer`.

Until then: members of system:masters and the components' own users may do everything, anonymous users may ask
for health and version, nobody else may do anything. The texts of a refusal are Kubernetes'.
"""

from __future__ import annotations

from typing import Protocol

from kube_actors.api import errors
from kube_actors.apiserver.request import Target, User

MASTERS = "system:masters"
NODES_GROUP = "system:nodes"
COMPONENTS = frozenset(("system:kube-scheduler", "system:kube-controller-manager", "system:kube-proxy"))
# What system:public-info-viewer gives to everybody.
PUBLIC_PATHS = frozenset(("/healthz", "/livez", "/readyz", "/version", "/version/"))


class Authorizer(Protocol):
    """Says yes or no; `check_*` turn a no into Kubernetes' Forbidden."""

    def allows(self, user: User, verb: str, target: Target) -> bool: ...

    def allows_path(self, user: User, verb: str, path: str) -> bool: ...


class StaticAuthorizer:
    """The rules above."""

    def allows(self, user: User, verb: str, target: Target) -> bool:
        return _trusted(user)

    def allows_path(self, user: User, verb: str, path: str) -> bool:
        return _trusted(user) or (verb == "get" and path in PUBLIC_PATHS)


def check(authorizer: Authorizer, user: User, verb: str, target: Target) -> None:
    """Raises Forbidden."""
    if not authorizer.allows(user, verb, target):
        raise forbidden(user, verb, target)


def check_path(authorizer: Authorizer, user: User, verb: str, path: str) -> None:
    """Raises Forbidden."""
    if not authorizer.allows_path(user, verb, path):
        text = f'forbidden: User "{user.name}" cannot {verb} path "{path}"'
        raise errors.Forbidden(text, status={**errors.Forbidden(text).status(), "details": {}})


def forbidden(user: User, verb: str, target: Target) -> errors.Forbidden:
    """`pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"`."""
    resource = target.resource
    what = f"{resource.plural}/{target.subresource}" if target.subresource else resource.plural
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    subject = errors.qualified(resource.plural, resource.group)
    if target.name:
        subject += f' "{target.name}"'
    text = f'{subject} is forbidden: User "{user.name}" cannot {verb} resource "{what}" '
    text += f'in API group "{resource.group}" {where}'
    return errors.Forbidden(text, group=resource.group, kind=resource.plural, name=target.name)


def _trusted(user: User) -> bool:
    if MASTERS in user.groups or user.name in COMPONENTS:
        return True
    return user.name.startswith("system:node:") and NODES_GROUP in user.groups
