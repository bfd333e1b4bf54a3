"""The scale subresource: a small view of a workload, autoscaling/v1 Scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from kube_actors.api import Obj, errors
from kube_actors.api.errors import Cause
from kube_actors.api.managed import shapes, typed
from kube_actors.api.meta import get_path
from kube_actors.api.resources import Resource
from kube_actors.api.selectors import LabelSelector

SCALE = Resource("autoscaling", "v1", "scales", "Scale", True)


@dataclass(frozen=True, slots=True)
class Scaler:
    """How the objects of a resource are seen as Scales, and changed by them."""

    scale_of: Callable[[Obj], Obj]
    apply_scale: Callable[[Obj, Obj], Obj]
    # Where the replicas are.
    path: tuple[str, ...] = ("spec", "replicas")


def of(resource: Resource) -> Scaler:
    """That of a resource; custom resources say in their definition where the numbers are."""
    paths = resource.definition.scale if resource.definition is not None else None
    if paths is None:
        return _BUILT_IN
    replicas = _steps(paths["specReplicasPath"])
    return Scaler(
        partial(_custom_scale_of, paths), lambda parent, scale: apply_scale(parent, scale, replicas), replicas
    )


def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.lstrip(".").split("."))


def _custom_scale_of(paths: Obj, parent: Obj) -> Obj:
    """Raises InternalError for an object that does not say how many replicas it wants."""
    replicas = get_path(parent, *_steps(paths["specReplicasPath"]))
    if replicas is None:
        text = f'the spec replicas field "{paths["specReplicasPath"]}" does not exist'
        raise errors.InternalError(f"Internal error occurred: {text}", causes=[Cause("", text)])
    status: Obj = {"replicas": get_path(parent, *_steps(paths["statusReplicasPath"]), default=0)}
    selector = get_path(parent, *_steps(paths["labelSelectorPath"])) if paths.get("labelSelectorPath") else None
    if selector:
        status["selector"] = selector
    return _scale(parent, replicas, status)


def scale_of(parent: Obj) -> Obj:
    """The Scale of a Deployment, ReplicaSet, StatefulSet or ReplicationController."""
    replicas = get_path(parent, "spec", "replicas", default=0)
    status: Obj = {"replicas": get_path(parent, "status", "replicas", default=0)}
    selector = get_path(parent, "spec", "selector", default={})
    if parent["kind"] == "ReplicationController":
        text = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    else:
        text = selector_text(selector)
    if text:
        status["selector"] = text
    return _scale(parent, replicas, status)


def _scale(parent: Obj, replicas: int, status: Obj) -> Obj:
    metadata = parent["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def selector_text(selector: Obj) -> str:
    """As LabelSelectorAsSelector prints it: matchLabels as a=b."""
    labels = {key: str(value) for key, value in (selector.get("matchLabels") or {}).items()}
    expressions = LabelSelector.from_object({"matchExpressions": selector.get("matchExpressions") or []})
    parts = [(key, f"{key}={value}") for key, value in labels.items()]
    parts += [(one.key, str(one)) for one in expressions.requirements]
    return ",".join(text for _, text in sorted(parts))


def parent_config(resource: Resource, config: Obj) -> Obj:
    """What an applied Scale configures of the workload. Raises a plain ApiError for what is no Scale."""
    try:
        typed.check(shapes.of(SCALE), config)
    except typed.TypedError as error:
        metadata = config.get("metadata") or {}
        where = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}; autoscaling/v1, Kind=Scale"
        raise errors.ApiError(f"failed to create typed patch object ({where}): {error}") from None
    spec = config.get("spec") or {}
    metadata = {key: value for key, value in (config.get("metadata") or {}).items() if key in ("name", "namespace")}
    wanted: Obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    if "replicas" in spec:
        _set(wanted, of(resource).path, spec["replicas"])
    return wanted


def apply_scale(parent: Obj, scale: Obj, path: tuple[str, ...] = ("spec", "replicas")) -> Obj:
    """The workload with the replicas of the Scale. Raises Invalid, BadRequest or Conflict."""
    metadata = scale.get("metadata") or {}
    name = parent["metadata"]["name"]
    if metadata.get("name") and metadata["name"] != name:
        text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        raise errors.BadRequest(text)
    replicas = get_path(scale, "spec", "replicas", default=0)
    if replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise errors.invalid("Scale", "autoscaling", name, [Cause("FieldValueInvalid", text, "spec.replicas")])
    _set(parent, path, replicas)
    for key in ("resourceVersion", "uid"):
        if metadata.get(key):
            parent["metadata"][key] = metadata[key]
        elif key == "resourceVersion":
            parent["metadata"].pop(key, None)
    return parent


def _set(obj: Obj, path: tuple[str, ...], value: int) -> None:
    for name in path[:-1]:
        obj = obj.setdefault(name, {})
    obj[path[-1]] = value


_BUILT_IN = Scaler(scale_of, apply_scale)
