"""The environment of a container, and references to what its pod and containers are."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.paths import unreserved_path

_ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
_CONTAINER_RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
    "requests.memory",
)  # fmt: skip
_CPU_DIVISORS = ("1m", "1")
_SIZE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_DIVIDED = {"ephemeral-storage": "local ephemeral storage"}
_SUBSCRIPTED = ("metadata.annotations", "metadata.labels")
# The fields of a pod that have a name, some an older one.
_FIELDS = {
    name: name
    for name in (
        "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.hostIP",
        "status.hostIPs", "status.phase", "status.podIP", "status.podIPs",
    )
} | {"spec.host": "spec.nodeName"}  # fmt: skip


def environment(causes: Causes, variables: list[Obj], path: str) -> None:
    """Variables with a value, or with where it comes from."""
    for index, variable in enumerate(variables):
        name = variable.get("name", "")
        if not name:
            causes.required(f"{path}[{index}].name")
        else:
            causes.each_invalid(f"{path}[{index}].name", name, names.env_var_name(name))
        if "valueFrom" in variable:
            _value_from(causes, variable, f"{path}[{index}].valueFrom")


def _value_from(causes: Causes, variable: Obj, path: str) -> None:
    source = variable["valueFrom"]
    if "fieldRef" in source:
        field_ref(causes, source["fieldRef"], _ENV_FIELDS, f"{path}.fieldRef")
    if "resourceFieldRef" in source:
        resource_field_ref(causes, source["resourceFieldRef"], f"{path}.resourceFieldRef", in_volume=False)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            _key_ref(causes, source[kind], f"{path}.{kind}")
    if "fileKeyRef" in source:
        _file_ref(causes, source["fileKeyRef"], f"{path}.fileKeyRef")
    count = sum(1 for value in source.values() if value is not None)
    if count == 0:
        text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        causes.invalid(path, "", text)
    elif variable.get("value"):
        causes.invalid(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        causes.invalid(path, "", "may not have more than one field specified at a time")


def _key_ref(causes: Causes, reference: Obj, path: str) -> None:
    causes.each_invalid(f"{path}.name", reference.get("name", ""), names.dns_subdomain(reference.get("name", "")))
    key = reference.get("key", "")
    if not key:
        causes.required(f"{path}.key")
    else:
        causes.each_invalid(f"{path}.key", key, names.config_key(key))


def _file_ref(causes: Causes, reference: Obj, path: str) -> None:
    """A key in a file of a volume, which a container before this one has written."""
    for field in ("volumeName", "path", "key"):
        if not reference.get(field):
            causes.required(f"{path}.{field}")
    if reference.get("path"):
        unreserved_path(causes, f"{path}.path", reference["path"])
    if reference.get("key"):
        causes.each_invalid(f"{path}.key", reference["key"], names.env_var_name(reference["key"]))


def field_ref(causes: Causes, reference: Obj, allowed: tuple[str, ...], path: str) -> None:
    """A reference to a field of the pod, for the environment or a volume."""
    version, field = reference.get("apiVersion", ""), reference.get("fieldPath", "")
    if not version:
        causes.required(f"{path}.apiVersion")
        return
    if not field:
        causes.required(f"{path}.fieldPath")
        return
    base, bracket, key = field.partition("['")
    subscript = bool(bracket) and key.endswith("']")
    fault = ""
    if version != "v1":
        fault = f"unsupported pod version: {version}"
    elif subscript and base not in _SUBSCRIPTED:
        fault = f"field label does not support subscript: {field}"
    elif not subscript and field not in _FIELDS:
        fault = f"field label not supported: {field}"
    if fault:
        causes.invalid(f"{path}.fieldPath", field, f"error converting fieldPath: {fault}")
    elif subscript:
        key = key[:-2] if base == "metadata.labels" else key[:-2].lower()
        causes.each_invalid(path, key, names.qualified_name(key))
    elif _FIELDS.get(field, field) not in allowed:
        causes.unsupported(f"{path}.fieldPath", field, sorted(allowed))


def resource_field_ref(causes: Causes, reference: Obj, path: str, *, in_volume: bool) -> None:
    """A reference to a request or limit of a container."""
    resource = reference.get("resource", "")
    huge = resource.startswith(("limits.hugepages-", "requests.hugepages-"))
    if in_volume and not reference.get("containerName"):
        causes.required(f"{path}.containerName")
    elif not resource:
        causes.required(f"{path}.resource")
    elif not huge and resource not in _CONTAINER_RESOURCES:
        causes.unsupported(f"{path}.resource", resource, _CONTAINER_RESOURCES)
    divisor = reference.get("divisor", "0")
    if divisor == "0" or not (huge or resource in _CONTAINER_RESOURCES):
        return
    name = resource.partition(".")[2]
    supported = _CPU_DIVISORS if name == "cpu" else _SIZE_DIVISORS
    if divisor not in supported:
        listed = "1m and 1" if name == "cpu" else ", ".join(_SIZE_DIVISORS)
        named = "hugepages" if huge else _DIVIDED.get(name, name)
        text = f"only divisor's values {listed} are supported with the {named} resource"
        causes.invalid(f"{path}.divisor", resource, text)


def environment_from(causes: Causes, sources: list[Obj], path: str) -> None:
    """All keys of a config map or secret as variables."""
    for index, source in enumerate(sources):
        here = f"{path}[{index}]"
        if source.get("prefix"):
            causes.each_invalid(f"{here}.prefix", source["prefix"], names.env_var_name(source["prefix"]))
        given = [kind for kind in ("configMapRef", "secretRef") if kind in source]
        for kind in given:
            name = source[kind].get("name", "")
            if not name:
                causes.required(f"{here}.{kind}.name")
            else:
                causes.each_invalid(f"{here}.{kind}.name", name, names.dns_subdomain(name))
        if not given:
            causes.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            causes.invalid(path, "", "may not have more than one field specified at a time")
