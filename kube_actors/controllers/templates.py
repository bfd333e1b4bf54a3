"""Pod templates: pods made from them, their hash, their comparison."""

from __future__ import annotations

from typing import Any

import orjson

from kube_actors.api import Obj
from kube_actors.api.meta import controller_ref, name_of, namespace_of

TEMPLATE_HASH = "pod-template-hash"
_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: a hash that is no word


def fnv32a(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def safe_encode(text: str) -> str:
    """Each character as one that may stand in a name, as Kubernetes' rand.SafeEncodeString."""
    return "".join(_SAFE[ord(char) % len(_SAFE)] for char in text)


def template_hash(template: Obj, collision_count: int | None = None) -> str:
    """The pod-template-hash. Kubernetes hashes a Go dump, so the value differs from its own; the form does not."""
    data = orjson.dumps(pruned(template), option=orjson.OPT_SORT_KEYS)
    if collision_count is not None:
        data += b"/%d" % collision_count
    return safe_encode(str(fnv32a(data)))


def pruned(value: Any) -> Any:
    """`value` without empty maps, empty lists and nulls, which mean the same as absence in a template."""
    if isinstance(value, dict):
        return {key: kept for key, inner in value.items() if (kept := pruned(inner)) not in (None, {}, [])}
    if isinstance(value, list):
        return [pruned(inner) for inner in value]
    return value


def without_hash(template: Obj) -> Obj:
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != TEMPLATE_HASH}
    return template | {"metadata": metadata | {"labels": labels}}


def same_template(one: Obj, other: Obj) -> bool:
    """Whether both give the same pods, the pod-template-hash label left out."""
    return bool(pruned(without_hash(one)) == pruned(without_hash(other)))


def pod_from_template(owner: Obj, template: Obj) -> Obj:
    """The pod that a workload's owner creates: named by the server after the owner, and owned."""
    given = template.get("metadata") or {}
    metadata: Obj = {
        "namespace": namespace_of(owner),
        "generateName": generate_name(name_of(owner)),
        "ownerReferences": [controller_ref(owner)],
    }
    for field in ("labels", "annotations", "finalizers"):
        if given.get(field):
            metadata[field] = given[field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": dict(template["spec"])}


def generate_name(owner: str) -> str:
    """The prefix of a pod's name."""
    return f"{owner}-"
