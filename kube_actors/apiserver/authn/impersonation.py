"""Acting as somebody else: the Impersonate-* headers, which a user may send as far as the verb `impersonate` goes.

Kubernetes: k8s.io/apiserver/pkg/endpoints/filters/impersonation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from kube_actors.api import errors
from kube_actors.api.resources import SERVICE_ACCOUNTS, Resource
from kube_actors.apiserver import authz
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.request import (
    ANONYMOUS,
    AUTHENTICATED_GROUP,
    SERVICE_ACCOUNTS_GROUP,
    UNAUTHENTICATED_GROUP,
    Target,
    User,
    service_account_of,
)

PREFIX = "impersonate-"
_EXTRA = "impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"
USERS = Resource("", "v1", "users", "User", False)
GROUPS = Resource("", "v1", "groups", "Group", False)
UIDS = Resource(_AUTHENTICATION, "v1", "uids", "UID", False)
EXTRAS = Resource(_AUTHENTICATION, "v1", "userextras", "UserExtra", False)
NODE = "system:node:"


def impersonated(user: User, headers: Sequence[tuple[str, str]], authorizer: Authorizer) -> User:
    """Who the request is to count as. `headers` have lower-case names. Raises Forbidden, or a 500 without a user."""
    wanted = [(name, value) for name, value in headers if name.startswith(PREFIX)]
    if not wanted:
        return user
    name = next((value for key, value in wanted if key == "impersonate-user"), "")
    if not name:
        raise errors.InternalError(f"requested {[list(one) for one in wanted]} without impersonating a user")
    for target in _targets(wanted):
        authz.check(authorizer, user, "impersonate", target)
    groups = [value for key, value in wanted if key == "impersonate-group"]
    uid = next((value for key, value in wanted if key == "impersonate-uid"), "")
    return User(name, _groups(name, groups), uid, _extra(wanted))


def _targets(wanted: Sequence[tuple[str, str]]) -> Iterator[Target]:
    for key, value in wanted:
        account = service_account_of(value) if key == "impersonate-user" else None
        if account is not None:
            yield Target(SERVICE_ACCOUNTS, *account)
        elif key == "impersonate-user":
            yield Target(USERS, "", value)
        elif key == "impersonate-group":
            yield Target(GROUPS, "", value)
        elif key == "impersonate-uid":
            yield Target(UIDS, "", value)
        elif key.startswith(_EXTRA):
            yield Target(EXTRAS, "", value, unquote(key.removeprefix(_EXTRA)))


def _groups(name: str, groups: list[str]) -> tuple[str, ...]:
    """The groups that were asked for, and those that every such user has."""
    if not groups:
        account = service_account_of(name)
        if account is not None:
            groups = [SERVICE_ACCOUNTS_GROUP, f"{SERVICE_ACCOUNTS_GROUP}:{account[0]}"]
        elif name.startswith(NODE) and name != NODE:
            groups = ["system:nodes"]
    certain = UNAUTHENTICATED_GROUP if name == ANONYMOUS else AUTHENTICATED_GROUP
    return (*groups, *(() if certain in groups else (certain,)))


def _extra(wanted: Sequence[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: dict[str, list[str]] = {}
    for key, value in wanted:
        if key.startswith(_EXTRA):
            found.setdefault(unquote(key.removeprefix(_EXTRA)), []).append(value)
    return tuple((key, tuple(values)) for key, values in found.items())
