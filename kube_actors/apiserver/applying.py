"""Server-side apply as a change of an object, or its creation.

Kubernetes: applyPatcher of k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube_actors.api import Obj, decode, defaults, errors
from kube_actors.api.decode import DecodeError
from kube_actors.api.resources import Resource
from kube_actors.apiserver import decoding, ownership, yamls
from kube_actors.apiserver.patching import check_names, json_type
from kube_actors.apiserver.request import Request, WriteOptions


@dataclass(frozen=True, slots=True)
class Configuration:
    """What shall be applied; `faults` is what a strict reader of YAML has against it."""

    obj: Obj
    faults: tuple[str, ...] = ()

    def check(self, request: Request, validation: str) -> None:
        """Refuse the faults, or warn of them, as fieldValidation says. Raises BadRequest."""
        if not self.faults or validation == decoding.IGNORE:
            return
        lines = "\n".join(f"  {line}" for line in self.faults)
        text = f"error converting YAML to JSON: yaml: unmarshal errors:\n{lines}"
        if validation == decoding.STRICT:
            raise errors.BadRequest(f"error strict decoding YAML: {text}")
        request.warn(" ".join(text.split()))


def configuration(resource: Resource, data: bytes) -> Configuration:
    """The configuration in the body of an apply. Raises BadRequest."""
    try:
        config, duplicates = yamls.parse(data)
    except yamls.YamlError as error:
        raise errors.BadRequest(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    if config is None:
        config = {}
    if not isinstance(config, dict):
        text = f"json: cannot unmarshal {json_type(config)} into Go value of type map[string]interface {{}}"
        raise errors.BadRequest(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {text}")
    kind, version = config.get("kind") or "", config.get("apiVersion") or ""
    if kind != resource.kind or version != resource.api_version:
        group, _, short = str(version).rpartition("/")
        raise errors.BadRequest(f"invalid object type: {group}/{short}, Kind={kind}")
    return Configuration(config, tuple(duplicates))


def change_of(
    request: Request, resource: Resource, config: Configuration, options: WriteOptions, now: float
) -> Callable[[Obj | None], Obj]:
    """What applying `config` does to an object, or, given None, creates. Raises as `managed.apply` does."""
    apply = ownership.applier(request, options, config.obj, now)
    name = request.target.name

    def change(current: Obj | None) -> Obj:
        applied = apply(current)
        config.check(request, options.field_validation)
        try:
            obj = decode.convert(resource, applied).obj
        except DecodeError as error:
            raise errors.ApiError(str(error)) from None
        defaults.apply_defaults(resource, obj)
        obj.setdefault("metadata", {})
        if current is not None:
            check_names(obj, current)
            return obj
        _check_new(obj, resource, name)
        return obj

    return change


def _check_new(obj: Obj, resource: Resource, wanted: str) -> None:
    """An object that an apply creates has the name of the path and no uid of its own."""
    metadata = obj["metadata"]
    name, uid = metadata.get("name"), metadata.get("uid")
    if not name:
        text = f"the name of the object ({wanted} based on URL) was undeterminable: name must be provided"
        raise errors.BadRequest(text)
    if name != wanted:
        raise errors.BadRequest(f"the name of the object ({name}) does not match the name on the URL ({wanted})")
    if uid:
        text = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise errors.conflict(resource.plural, resource.group, name, text)
    metadata.pop("resourceVersion", None)
