"""Object metadata: names, keys, owners, conditions."""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj


def name_of(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def namespace_of(obj: Obj) -> str:
    """The namespace, empty for a cluster-scoped object."""
    return str(obj["metadata"].get("namespace") or "")


def uid_of(obj: Obj) -> str:
    return str(obj["metadata"].get("uid") or "")


def version_of(obj: Obj) -> int:
    """The resourceVersion, which of two states of an object says which is the later one; 0 where there is none."""
    return int(obj["metadata"].get("resourceVersion") or 0)


def key_of(obj: Obj) -> str:
    """`namespace/name`, or `name` where there is no namespace: the key of caches and work queues."""
    namespace = namespace_of(obj)
    return f"{namespace}/{name_of(obj)}" if namespace else name_of(obj)


def make_key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def split_key(key: str) -> tuple[str, str]:
    """(namespace, name) of a key; the namespace is empty for a cluster-scoped object."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


def labels_of(obj: Obj) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Obj) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def is_deleting(obj: Obj) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def controller_of(obj: Obj) -> Obj | None:
    """The owner reference with `controller: true`, of which there is one at most."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return dict(owner)
    return None


def controller_ref(owner: Obj) -> Obj:
    """An owner reference that makes `owner` the controller and lets it be deleted in the foreground."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def condition(obj: Obj, kind: str) -> Obj | None:
    """The condition of that type in status.conditions."""
    for found in (obj.get("status") or {}).get("conditions") or ():
        if found.get("type") == kind:
            return dict(found)
    return None


def is_true(obj: Obj, kind: str) -> bool:
    """Whether the condition of that type has the status True."""
    found = condition(obj, kind)
    return found is not None and found.get("status") == "True"


def get_path(obj: Any, *path: str, default: Any = None) -> Any:
    """The value at a path of keys, or `default` where any of them is missing or null."""
    for key in path:
        if not isinstance(obj, dict):
            return default
        obj = obj.get(key)
    return default if obj is None else obj
