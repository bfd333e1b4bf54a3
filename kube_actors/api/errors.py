"""Every error of the project, in one tree.

    KubeActorsError                 anything this project raises on purpose
    ├── ConfigError                 a config file, flag or environment that cannot work: one line for the user
    ├── StoreError                  the store refused (see kube_actors.store.errors for etcd's texts)
    └── ApiError                    the API server refused: Kubernetes' Status
        ├── BadRequest       400 BadRequest
        ├── Unauthorized     401 Unauthorized
        ├── Forbidden        403 Forbidden
        ├── NotFound         404 NotFound
        ├── MethodNotAllowed 405 MethodNotAllowed
        ├── NotAcceptable    406 NotAcceptable
        ├── Conflict         409 Conflict
        │   └── AlreadyExists 409 AlreadyExists
        ├── Expired          410 Expired (a resourceVersion or continue token that is too old)
        ├── TooLarge         413 RequestEntityTooLarge
        ├── UnsupportedMediaType 415 UnsupportedMediaType
        ├── Invalid          422 Invalid
        ├── TooManyRequests  429 TooManyRequests
        ├── InternalError    500 InternalError
        ├── Unavailable      503 ServiceUnavailable
        └── Timeout          504 Timeout

Each class knows its Kubernetes reason, its HTTP code and its gRPC code; edges map by these alone.
Texts follow k8s.io/apimachinery/pkg/api/errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class KubeActorsError(Exception):
    """Base of everything raised on purpose. `grpc_code` is the name of a grpc.StatusCode."""

    grpc_code: ClassVar[str] = "UNKNOWN"


class ConfigError(KubeActorsError):
    """Something the user has to change: the message says what, where and what to do, in one line."""

    grpc_code = "FAILED_PRECONDITION"


class StoreError(KubeActorsError):
    """The store refused a request, or cannot be reached."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A StatusCause: one field at fault."""

    reason: str
    message: str
    field: str = ""

    def as_json(self) -> dict[str, str]:
        cause = {"reason": self.reason, "message": self.message}
        return cause | {"field": self.field} if self.field else cause


class ApiError(KubeActorsError):
    """A refusal as Kubernetes words it; `status()` is the Status object that clients receive."""

    # Of an error that was received or given by a webhook: the one of its Status.
    code: int = 500
    reason: ClassVar[str] = ""
    grpc_code = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        group: str = "",
        kind: str = "",
        name: str = "",
        uid: str = "",
        causes: Sequence[Cause] = (),
        retry_after: int = 0,
        status: dict[str, Any] | None = None,
    ) -> None:
        """`kind` is what details.kind shows: for most reasons the plural resource, as Kubernetes does."""
        super().__init__(message)
        self.message = message
        self.group, self.kind, self.name, self.uid = group, kind, name, uid
        self.causes = tuple(causes)
        self.retry_after = retry_after
        self._status = status

    def status(self) -> dict[str, Any]:
        """The meta.k8s.io/v1 Status."""
        if self._status is not None:
            return self._status
        details: dict[str, Any] = {}
        for key, value in (("name", self.name), ("group", self.group), ("kind", self.kind), ("uid", self.uid)):
            if value:
                details[key] = value
        if self.causes:
            details["causes"] = [cause.as_json() for cause in self.causes]
        if self.retry_after:
            details["retryAfterSeconds"] = self.retry_after
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if details:
            status["details"] = details
        status["code"] = self.code
        return status


class BadRequest(ApiError):
    code, reason, grpc_code = 400, "BadRequest", "INVALID_ARGUMENT"


class Unauthorized(ApiError):
    code, reason, grpc_code = 401, "Unauthorized", "UNAUTHENTICATED"


class Forbidden(ApiError):
    code, reason, grpc_code = 403, "Forbidden", "PERMISSION_DENIED"


class NotFound(ApiError):
    code, reason, grpc_code = 404, "NotFound", "NOT_FOUND"


class MethodNotAllowed(ApiError):
    code, reason, grpc_code = 405, "MethodNotAllowed", "UNIMPLEMENTED"


class NotAcceptable(ApiError):
    code, reason, grpc_code = 406, "NotAcceptable", "INVALID_ARGUMENT"


class Conflict(ApiError):
    code, reason, grpc_code = 409, "Conflict", "ABORTED"


class AlreadyExists(Conflict):
    code, reason, grpc_code = 409, "AlreadyExists", "ALREADY_EXISTS"


class Expired(ApiError):
    code, reason, grpc_code = 410, "Expired", "OUT_OF_RANGE"


class TooLarge(ApiError):
    code, reason, grpc_code = 413, "RequestEntityTooLarge", "RESOURCE_EXHAUSTED"


class UnsupportedMediaType(ApiError):
    code, reason, grpc_code = 415, "UnsupportedMediaType", "INVALID_ARGUMENT"


class Invalid(ApiError):
    code, reason, grpc_code = 422, "Invalid", "INVALID_ARGUMENT"


class TooManyRequests(ApiError):
    code, reason, grpc_code = 429, "TooManyRequests", "RESOURCE_EXHAUSTED"


class InternalError(ApiError):
    code, reason, grpc_code = 500, "InternalError", "INTERNAL"


class Unavailable(ApiError):
    code, reason, grpc_code = 503, "ServiceUnavailable", "UNAVAILABLE"


class Timeout(ApiError):
    code, reason, grpc_code = 504, "Timeout", "DEADLINE_EXCEEDED"


_BY_REASON: dict[str, type[ApiError]] = {
    cls.reason: cls
    for cls in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, Conflict, AlreadyExists,
        Expired, TooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError, Unavailable, Timeout,
    )
}  # fmt: skip


def from_status(status: dict[str, Any]) -> ApiError:
    """The error that a received Status describes; ApiError itself for a reason without a class."""
    details = status.get("details") or {}
    cls = _BY_REASON.get(status.get("reason", ""), ApiError)
    error = cls(
        status.get("message", ""),
        group=details.get("group", ""),
        kind=details.get("kind", ""),
        name=details.get("name", ""),
        retry_after=details.get("retryAfterSeconds", 0),
        status=status,
    )
    error.code = status.get("code") or error.code
    return error


def qualified(resource: str, group: str) -> str:
    """`deployments.apps`, or `pods` for the core group: how Kubernetes names a resource in a message."""
    return f"{resource}.{group}" if group else resource


def not_found(resource: str, group: str, name: str) -> NotFound:
    return NotFound(f'{qualified(resource, group)} "{name}" not found', group=group, kind=resource, name=name)


def already_exists(resource: str, group: str, name: str) -> AlreadyExists:
    text = f'{qualified(resource, group)} "{name}" already exists'
    return AlreadyExists(text, group=group, kind=resource, name=name)


def conflict(resource: str, group: str, name: str, reason: str) -> Conflict:
    text = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {reason}'
    return Conflict(text, group=group, kind=resource, name=name)


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> Invalid:
    """`kind` is the singular Kind; messages of several causes are joined as an aggregate is in Go."""
    texts = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes]
    unique = list(dict.fromkeys(texts))
    joined = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
    text = f'{qualified(kind, group)} "{name}" is invalid: {joined}'
    return Invalid(text, group=group, kind=kind, name=name, causes=causes)
