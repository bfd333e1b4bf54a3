"""The vocabulary of both edges: who asks for what, with which options. Knows neither HTTP nor gRPC."""

from __future__ import annotations

from dataclasses import dataclass, field

from kube_actors.api.resources import Resource

ANONYMOUS = "system:anonymous"
AUTHENTICATED_GROUP = "system:authenticated"
UNAUTHENTICATED_GROUP = "system:unauthenticated"


SERVICE_ACCOUNTS_GROUP = "system:serviceaccounts"
_SERVICE_ACCOUNT = "system:serviceaccount:"


def service_account_name(namespace: str, name: str) -> str:
    """The user name of a service account."""
    return f"{_SERVICE_ACCOUNT}{namespace}:{name}"


def service_account_of(user: str) -> tuple[str, str] | None:
    """(namespace, name) of a service account's user name; None for other users."""
    parts = user.removeprefix(_SERVICE_ACCOUNT).split(":")
    return (parts[0], parts[1]) if user.startswith(_SERVICE_ACCOUNT) and len(parts) == 2 and all(parts) else None


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, as authentication found out."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    # What authenticators know besides, by key: the pod and the node of a service account's token.
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for. `name` is empty for a collection, `namespace` for all namespaces or none."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Of create, update and patch. `force` belongs to server-side apply."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = ""
    force: bool | None = None


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """A meta.k8s.io/v1 DeleteOptions."""

    grace_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    propagation: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ListOptions:
    """A meta.k8s.io/v1 ListOptions, of lists, watches and deletecollection. Selectors are texts."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    allow_bookmarks: bool = False
    send_initial_events: bool | None = None
    timeout_seconds: int = 0


@dataclass(slots=True)
class Request:
    """One request on its way through the pipeline; `warnings` collects what the client shall be told,
    `audit_annotations` what the audit log shall say besides."""

    user: User
    target: Target
    warnings: list[str] = field(default_factory=list)
    audit_annotations: dict[str, str] = field(default_factory=dict)
    # The program of the client, as a User-Agent header has it.
    agent: str = ""
    # The verb that the user was found to be allowed, so that an edge may ask before it reads the body.
    authorized: str = ""

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def to(self, target: Target) -> Request:
        """The same user's request for something else, of which the client is told as of this one."""
        return Request(self.user, target, self.warnings, self.audit_annotations, self.agent)
