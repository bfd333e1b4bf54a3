"""ObjectMeta as the server fills and guards it. Kubernetes: rest.BeforeCreate and rest.BeforeUpdate."""

from __future__ import annotations

import os
import random
from functools import lru_cache

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj, errors
from kube_actors.api.resources import Resource
from kube_actors.apiserver.request import Request, Target

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, nothing that looks like another: no words by chance
_SUFFIX = 5
_OWNERS_DOUBLED = (
    ".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in 1.20+, and may "
    "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
)
_MAX_BASE = 63 - _SUFFIX
# The metadata that an update does not change, whatever it says.
_FIXED = ("creationTimestamp", "generation")


def generated_name(base: str) -> str:
    return base[:_MAX_BASE] + "".join(random.choices(_ALPHABET, k=_SUFFIX))


def check_namespace(target: Target, obj: Obj) -> None:
    """The namespace of the path is the object's; a cluster-scoped object has none."""
    metadata = obj["metadata"]
    if not target.resource.namespaced:
        metadata.pop("namespace", None)
        return
    stated = metadata.get("namespace")
    if stated and stated != target.namespace:
        raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    metadata["namespace"] = target.namespace


def dedup_owners(request: Request, obj: Obj, when: str = "") -> None:
    """Keep one of owner references that are the same, and tell the client."""
    owners = obj["metadata"].get("ownerReferences") or ()
    if len(owners) < 2:
        return
    kept: list[Obj] = []
    doubled: list[str] = []
    for owner in owners:
        if owner not in kept:
            kept.append(owner)
        else:
            doubled.append(str(owner.get("uid", "")))
    if doubled:
        obj["metadata"]["ownerReferences"] = kept
        request.warn(f"{_OWNERS_DOUBLED.format(when)}{', '.join(dict.fromkeys(doubled))}")


def fill_new(obj: Obj, now: float) -> None:
    """Name, uid and time of a new object; drops what only the server may say."""
    metadata = obj["metadata"]
    version = metadata.pop("resourceVersion", "")
    if version and version != "0":
        raise internal("resourceVersion should not be set on objects to be created")
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        metadata.pop(key, None)
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = generated_name(metadata["generateName"])
    metadata["uid"] = new_uid()
    metadata["creationTimestamp"] = _stamp(int(now))


def new_uid() -> str:
    """A random UUID (version 4), in less time than the uuid module takes for one."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


@lru_cache(maxsize=16)
def _stamp(second: int) -> str:
    return rfc3339(second)


def keep_fixed(new: Obj, old: Obj) -> None:
    """Put back, quietly, what an update does not change and what clients may leave out; validation refuses the rest."""
    metadata, before = new["metadata"], old["metadata"]
    for key in _FIXED:
        if key in before:
            metadata[key] = before[key]
        else:
            metadata.pop(key, None)
    if not metadata.get("uid"):
        metadata["uid"] = before["uid"]
    if before.get("deletionTimestamp"):  # once deleted, always deleted
        metadata["deletionTimestamp"] = before["deletionTimestamp"]
    if "deletionGracePeriodSeconds" in before:
        metadata.setdefault("deletionGracePeriodSeconds", before["deletionGracePeriodSeconds"])
    metadata.pop("selfLink", None)


def parse_version(text: str) -> int:
    """A resourceVersion of a body; 0 for none. What is no number is a 500, as kube-apiserver has it."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise internal(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def internal(text: str) -> errors.ApiError:
    """A plain Go error: code 500, no reason, no details."""
    return errors.ApiError(text)


def check_uid(resource: Resource, name: str, new: Obj, old: Obj) -> None:
    """An update that names another uid meant an object that is gone."""
    wanted, found = new["metadata"].get("uid"), old["metadata"].get("uid")
    if wanted and wanted != found:
        key = resource.store_key(old["metadata"].get("namespace", ""), name)
        reason = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
        reason += f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
        raise errors.conflict(resource.plural, resource.group, name, reason)
