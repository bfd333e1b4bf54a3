"""What the store refuses, with etcd's texts and gRPC codes (etcd api/v3rpc/rpctypes/error.go).

An error crosses gRPC as its code and its text; `from_text` finds the class again on the client.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kube_actors.api.errors import StoreError


@dataclass(frozen=True, slots=True)
class KV:
    """A key as one revision left it. `lease` is 0 for none."""

    key: bytes
    value: bytes
    mod_revision: int
    create_revision: int
    version: int
    lease: int


class EtcdError(StoreError):
    """A refusal of etcd's. Children fix `text`; an unknown one carries the text it came with."""

    text: ClassVar[str] = "etcdserver: unknown error"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.text)


class KeyNotProvided(EtcdError):
    grpc_code, text = "INVALID_ARGUMENT", "etcdserver: key is not provided"


class KeyNotFound(EtcdError):
    grpc_code, text = "INVALID_ARGUMENT", "etcdserver: key not found"


class ValueProvided(EtcdError):
    grpc_code, text = "INVALID_ARGUMENT", "etcdserver: value is provided"


class LeaseProvided(EtcdError):
    grpc_code, text = "INVALID_ARGUMENT", "etcdserver: lease is provided"


class TooManyOps(EtcdError):
    grpc_code, text = "INVALID_ARGUMENT", "etcdserver: too many operations in txn request"


class DuplicateKey(EtcdError):
    grpc_code, text = "INVALID_ARGUMENT", "etcdserver: duplicate key given in txn request"


class InvalidSortOption(EtcdError):
    grpc_code, text = "INVALID_ARGUMENT", "etcdserver: invalid sort option"


class RequestTooLarge(EtcdError):
    grpc_code, text = "INVALID_ARGUMENT", "etcdserver: request is too large"


class MessageTooLarge(EtcdError):
    """gRPC's own refusal at etcd's limit of a message, which is a little above that of a request."""

    grpc_code, text = "RESOURCE_EXHAUSTED", "grpc: received message larger than max"

    def __init__(self, size: int = 0, limit: int = 0) -> None:
        super().__init__(f"{self.text} ({size} vs. {limit})" if limit else "")


class TooManyRequests(EtcdError):
    grpc_code, text = "RESOURCE_EXHAUSTED", "etcdserver: too many requests"


class Compacted(EtcdError):
    """`compact_revision` is the oldest revision that can still be read, 0 where etcd does not tell."""

    grpc_code, text = "OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted"

    def __init__(self, message: str = "", compact_revision: int = 0) -> None:
        super().__init__(message)
        self.compact_revision = compact_revision


class FutureRevision(EtcdError):
    grpc_code, text = "OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision"


class NoSpace(EtcdError):
    grpc_code, text = "RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded"


class LeaseNotFound(EtcdError):
    grpc_code, text = "NOT_FOUND", "etcdserver: requested lease not found"


class LeaseExists(EtcdError):
    grpc_code, text = "FAILED_PRECONDITION", "etcdserver: lease already exists"


class LeaseTTLTooLarge(EtcdError):
    grpc_code, text = "OUT_OF_RANGE", "etcdserver: too large lease TTL"


class MemberNotFound(EtcdError):
    grpc_code, text = "NOT_FOUND", "etcdserver: member not found"


class MemberNotLearner(EtcdError):
    grpc_code, text = "FAILED_PRECONDITION", "etcdserver: can only promote a learner member"


class MemberURLsInvalid(EtcdError):
    grpc_code, text = "INVALID_ARGUMENT", "etcdserver: given member URLs are invalid"


class NotEnoughMembers(EtcdError):
    grpc_code = "FAILED_PRECONDITION"
    text = "etcdserver: re-configuration failed due to not enough started members"


class AuthNotEnabled(EtcdError):
    grpc_code, text = "FAILED_PRECONDITION", "etcdserver: authentication is not enabled"


class StoreUnavailable(EtcdError):
    """The store cannot be reached, or went away in the middle: whether a write happened is not known."""

    grpc_code, text = "UNAVAILABLE", "etcdserver: request timed out"


class RevisionConflict(StoreError):
    """A conditional write found another revision. `current` is the key as it is, None if it does not exist."""

    grpc_code = "ABORTED"

    def __init__(self, current: KV | None) -> None:
        found = f"is at revision {current.mod_revision}" if current else "does not exist"
        super().__init__(f"the key {found}, which is not the revision expected")
        self.current = current


_BY_TEXT: dict[str, type[EtcdError]] = {
    cls.text: cls
    for cls in (
        KeyNotProvided, KeyNotFound, ValueProvided, LeaseProvided, TooManyOps, DuplicateKey, InvalidSortOption,
        RequestTooLarge, TooManyRequests, Compacted, FutureRevision, NoSpace, LeaseNotFound, LeaseExists,
        LeaseTTLTooLarge, MemberNotFound, MemberNotLearner, NotEnoughMembers, MemberURLsInvalid,
        AuthNotEnabled,
    )
}  # fmt: skip

_TRANSIENT = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")


def from_text(text: str, code: str) -> EtcdError:
    """The error that the store meant by this text and gRPC code (its name)."""
    cls = _BY_TEXT.get(text)
    if cls is not None:
        return cls()
    if text.startswith(MessageTooLarge.text):
        return RequestTooLarge(text)
    if code in _TRANSIENT:
        return StoreUnavailable(text)
    return EtcdError(f"{text} ({code})")
