"""The two subresources that change the spec of a running pod: ephemeralcontainers and resize.

Each takes only its part of the object from the writer, and checks it (dropNonEphemeralContainerUpdates,
dropNonResizeUpdates, ValidatePodEphemeralContainersUpdate, ValidatePodResize).
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.pods import qos_class
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.internal import ephemeral_node, spec_difference
from kube_actors.api.validation.pod_changes import annotation_changes
from kube_actors.api.validation.pods import MIRROR, new_or_changed_pod

_RESIZED = ("resources", "resizePolicy")
_MUTABLE = ("cpu", "memory")
_ONLY_MUTABLE = "only cpu and memory resources are mutable"


def prepare_ephemeral(new: Obj, old: Obj) -> None:
    """Of the new object only its ephemeral containers count."""
    spec = {key: value for key, value in old["spec"].items() if key != "ephemeralContainers"}
    if new["spec"].get("ephemeralContainers"):
        spec["ephemeralContainers"] = new["spec"]["ephemeralContainers"]
    _replace(new, old, spec)


def prepare_resize(new: Obj, old: Obj) -> None:
    """Of the new object only the resources count, unless its containers are others than before."""
    spec = dict(old["spec"])
    for field in ("containers", "initContainers"):
        items, before = new["spec"].get(field) or [], old["spec"].get(field) or []
        if len(items) != len(before):
            _grow(new, old)
            return
        if not items:
            continue
        same = [one.get("name") for one in items] == [one.get("name") for one in before]
        spec[field] = list(map(_resized, items, before)) if same else items
    spec.pop("resources", None)
    if "resources" in new["spec"]:
        spec["resources"] = new["spec"]["resources"]
    _replace(new, old, spec)


def _resized(new: Obj, old: Obj) -> Obj:
    kept = {key: value for key, value in old.items() if key not in _RESIZED}
    return kept | {key: new[key] for key in _RESIZED if key in new}


def _replace(new: Obj, old: Obj, spec: Obj) -> None:
    new["spec"] = spec
    new["status"] = old["status"]
    for field in ("labels", "annotations", "finalizers", "ownerReferences"):
        new["metadata"].pop(field, None)
        if field in old["metadata"]:
            new["metadata"][field] = old["metadata"][field]
    _grow(new, old)


def _grow(new: Obj, old: Obj) -> None:
    if new["spec"] != old["spec"]:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def ephemeral_update(causes: Causes, new: Obj, old: Obj) -> None:
    """Ephemeral containers are added, never changed or removed."""
    if MIRROR in (old["metadata"].get("annotations") or {}):
        causes.clear()
        causes.forbidden("[]", "static pods do not support ephemeral containers")
        return
    new_or_changed_pod(causes, new)
    annotation_changes(causes, new, old)
    items = {container.get("name"): container for container in new["spec"].get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container["name"]
        if name not in items:
            text = f'existing ephemeral containers "{name}" may not be removed\n'
            causes.forbidden("spec.ephemeralContainers", text)
        elif items[name] != container:
            difference = spec_difference(ephemeral_node(), container, items[name])
            text = f'existing ephemeral containers "{name}" may not be changed\n{difference}'
            causes.forbidden("spec.ephemeralContainers", text)


def resize_update(causes: Causes, new: Obj, old: Obj) -> None:
    """CPU and memory may change, within the class of the pod; nothing that is there may go."""
    whose = "static" if MIRROR in (old["metadata"].get("annotations") or {}) else ""
    if (old["spec"].get("os") or {}).get("name") == "windows":
        whose = "windows"
    if whose:
        causes.clear()
        causes.forbidden("[]", f"{whose} pods cannot be resized")
        return
    new_or_changed_pod(causes, new)
    if (old.get("status") or {}).get("qosClass", qos_class(old["spec"])) != qos_class(new["spec"]):
        shown = (new.get("status") or {}).get("qosClass", "")
        causes.invalid("spec", shown, "Pod QOS Class may not change as a result of resizing")
    if not _is_supported(old):
        causes.forbidden("spec", "Pod running on node without support for resize")
    _containers(causes, new["spec"], old["spec"])
    if "resources" in old["spec"] or "resources" in new["spec"]:
        _not_removed(causes, new["spec"], old["spec"], "spec.resources")
        if _without_resizable(new["spec"]) != _without_resizable(old["spec"]):
            causes.forbidden("spec.resources", _ONLY_MUTABLE)


def _is_supported(pod: Obj) -> bool:
    """Whether the pod's node says what resources a running container has."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if "running" in (status.get("state") or {}):
            return "resources" in status
    return True


def _containers(causes: Causes, new: Obj, old: Obj) -> None:
    for field in ("initContainers", "containers"):
        items, before = new.get(field) or [], old.get(field) or []
        if len(items) != len(before):
            causes.forbidden(f"spec.{field}", "pod updates may not add or remove containers")
            continue
        for index, (container, known) in enumerate(zip(items, before, strict=True)):
            if field == "initContainers" and container.get("restartPolicy") != "Always":
                if container != known:
                    causes.forbidden("spec", "resources for non-sidecar init containers are immutable")
                continue
            _not_removed(causes, container, known, f"spec.{field}[{index}].resources")
            rest = [{**one, "resources": _without_resizable(one)} for one in (container, known)]
            if rest[0] != rest[1]:
                sidecar = "only cpu and memory resources for sidecar containers are mutable"
                causes.forbidden("spec", sidecar if field == "initContainers" else _ONLY_MUTABLE)


def _not_removed(causes: Causes, new: Obj, old: Obj, path: str) -> None:
    for field in ("requests", "limits"):
        now, before = ((one.get("resources") or {}).get(field) or {} for one in (new, old))
        if any(name not in now for name in before):
            causes.forbidden(f"{path}.{field}", f"resource {field} cannot be removed")


def _without_resizable(holder: Obj) -> Obj:
    """The resources of a container or pod, without the amounts that may change."""
    resources = holder.get("resources") or {}
    return {
        field: {name: amount for name, amount in amounts.items() if name not in _MUTABLE}
        if isinstance(amounts, dict)
        else amounts
        for field, amounts in resources.items()
        if amounts and (not isinstance(amounts, dict) or set(amounts) - set(_MUTABLE))
    }
