"""Containers of a pod: names, ports, environment, mounts, resources, probes, hooks, security."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kube_actors.api import Obj, quantity
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.paths import descending_path
from kube_actors.api.validation.probes import lifecycle, probes
from kube_actors.api.validation.security import container_security

_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
_CONTAINER_RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
    "requests.memory",
)  # fmt: skip
_FORBIDDEN_EPHEMERAL = (
    "ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources", "resizePolicy",
)  # fmt: skip

Volumes = dict[str, Obj]


def containers(causes: Causes, spec: Obj, volumes: Volumes, path: str) -> set[str]:
    """The main containers. Returns their names."""
    items = spec.get("containers") or ()
    where = f"{path}.containers"
    if not items:
        causes.required(where)
        return set()
    seen: set[str] = set()
    for index, container in enumerate(items):
        here = f"{where}[{index}]"
        _common(causes, container, volumes, here)
        _unique(causes, container.get("name", ""), seen, here)
        if "lifecycle" in container:
            lifecycle(causes, container["lifecycle"], spec, f"{here}.lifecycle")
        probes(causes, container, here)
        if "restartPolicy" in container:
            causes.one_of(f"{here}.restartPolicy", container["restartPolicy"], _RESTART_POLICIES)
    _host_port_conflicts(causes, items, where)
    return seen


def init_containers(causes: Causes, spec: Obj, volumes: Volumes, path: str, seen: set[str]) -> None:
    """Containers that run before; their names differ from those in `seen`."""
    where = f"{path}.initContainers"
    items = spec.get("initContainers") or ()
    for index, container in enumerate(items):
        here = f"{where}[{index}]"
        _common(causes, container, volumes, here)
        sidecar = container.get("restartPolicy") == "Always"
        _unique(causes, container.get("name", ""), seen, here)
        _host_port_conflicts(causes, [container], where)
        if sidecar:
            if "lifecycle" in container:
                lifecycle(causes, container["lifecycle"], spec, f"{here}.lifecycle")
            probes(causes, container, here)
            continue
        for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if field in container:
                causes.forbidden(f"{here}.{field}", "may not be set for init containers without restartPolicy=Always")


def ephemeral_containers(causes: Causes, spec: Obj, volumes: Volumes, path: str, seen: set[str]) -> None:
    """Containers for debugging, which have no ports, probes or resources."""
    main = {container.get("name") for container in spec.get("containers") or ()}
    main |= {container.get("name") for container in spec.get("initContainers") or ()}
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        here = f"{path}.ephemeralContainers[{index}]"
        _common(causes, {**container, "ports": [], "resources": {}}, volumes, here)
        _unique(causes, container.get("name", ""), seen, here)
        target = container.get("targetContainerName")
        if target and target not in main:
            causes.not_found(f"{here}.targetContainerName", target)
        given = {field for field in _FORBIDDEN_EPHEMERAL if container.get(field)}
        for field in ("ports", "resources", *_FORBIDDEN_EPHEMERAL[1:5]):
            if field in given:
                causes.forbidden(f"{here}.{field}", "cannot be set for an Ephemeral Container")
        for place, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    text = "cannot be set for an Ephemeral Container"
                    causes.forbidden(f"{here}.volumeMounts[{place}].{field}", text)


def _unique(causes: Causes, name: str, seen: set[str], path: str) -> None:
    if name and name in seen:
        causes.duplicate(f"{path}.name", name)
    seen.add(name)


def _common(causes: Causes, container: Obj, volumes: Volumes, path: str) -> None:
    """What holds for containers of every sort."""
    name = container.get("name", "")
    if not name:
        causes.required(f"{path}.name")
    elif names.dns_label(name):
        causes.each_invalid(f"{path}.name", name, names.dns_label(name))
    image = container.get("image", "")
    if not image:
        causes.required(f"{path}.image")
    if container.get("terminationMessagePolicy") not in _MESSAGE_POLICIES:
        causes.one_of(f"{path}.terminationMessagePolicy", container.get("terminationMessagePolicy"), _MESSAGE_POLICIES)
    if container.get("ports"):
        _ports(causes, container["ports"], f"{path}.ports")
    if container.get("env"):
        _environment(causes, container["env"], f"{path}.env")
    if container.get("envFrom"):
        _environment_from(causes, container["envFrom"], f"{path}.envFrom")
    devices = container.get("volumeDevices") or ()
    if container.get("volumeMounts"):
        _mounts(causes, container, devices, volumes, f"{path}.volumeMounts")
    if devices:
        _devices(causes, container, devices, volumes, f"{path}.volumeDevices")
    if container.get("imagePullPolicy") not in _PULL_POLICIES:
        causes.one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    if container.get("resources"):
        resource_requirements(causes, container["resources"], f"{path}.resources")
    if container.get("securityContext"):
        container_security(causes, container["securityContext"], f"{path}.securityContext")


def _ports(causes: Causes, ports: list[Obj], path: str) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        name = port.get("name")
        if name:
            wrong = names.port_name(name)
            if wrong:
                causes.each_invalid(f"{path}[{index}].name", name, wrong)
            elif name in seen:
                causes.duplicate(f"{path}[{index}].name", name)
            else:
                seen.add(name)
        number = port.get("containerPort", 0)
        if not 1 <= number <= 65535:
            if number == 0:
                causes.required(f"{path}[{index}].containerPort")
            else:
                causes.each_invalid(f"{path}[{index}].containerPort", number, names.port_number(number))
        host = port.get("hostPort", 0)
        if host:
            causes.each_invalid(f"{path}[{index}].hostPort", host, names.port_number(host))
        if port.get("protocol") not in references.PROTOCOLS:
            causes.one_of(f"{path}[{index}].protocol", port.get("protocol"), references.PROTOCOLS)


def _host_port_conflicts(causes: Causes, items: Iterable[Obj], path: str) -> None:
    seen: set[str] = set()
    for index, container in enumerate(items):
        for place, port in enumerate(container.get("ports") or ()):
            if port.get("hostPort"):
                key = f"{port.get('protocol')}/{port.get('hostIP', '')}/{port['hostPort']}"
                if key in seen:
                    causes.duplicate(f"{path}[{index}].ports[{place}].hostPort", key)
                seen.add(key)


def _environment(causes: Causes, variables: list[Obj], path: str) -> None:
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
    count = sum(1 for value in source.values() if value is not None)
    if count == 0:
        text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        causes.invalid(path, "", text)
    elif variable.get("value"):
        causes.invalid(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        causes.invalid(path, "", "may not have more than one field specified at a time")


def _key_ref(causes: Causes, reference: Obj, path: str) -> None:
    if not reference.get("name"):
        causes.required(f"{path}.name")
    key = reference.get("key", "")
    if not key:
        causes.required(f"{path}.key")
    else:
        causes.each_invalid(f"{path}.key", key, names.config_key(key))


def field_ref(causes: Causes, reference: Obj, allowed: tuple[str, ...], path: str) -> None:
    """A reference to a field of the pod, for the environment or a volume."""
    field = reference.get("fieldPath", "")
    if not reference.get("apiVersion"):
        causes.required(f"{path}.apiVersion")
        return
    if not field:
        causes.required(f"{path}.fieldPath")
        return
    base, bracket, key = field.partition("['")
    if bracket and key.endswith("']"):
        key = key[:-2]
        if base == "metadata.annotations":
            causes.each_invalid(path, key, names.qualified_name(key.lower()))
        elif base == "metadata.labels":
            causes.each_invalid(path, key, names.qualified_name(key))
        else:
            causes.invalid(path, base, "does not support subscript")
    elif field not in allowed:
        causes.unsupported(f"{path}.fieldPath", field, sorted(allowed))


def resource_field_ref(causes: Causes, reference: Obj, path: str, *, in_volume: bool) -> None:
    """A reference to a request or limit of a container."""
    if in_volume and not reference.get("containerName"):
        causes.required(f"{path}.containerName")
        return
    resource = reference.get("resource", "")
    if not resource:
        causes.required(f"{path}.resource")
        return
    plain = not resource.startswith(("limits.hugepages-", "requests.hugepages-"))
    if plain and resource not in _CONTAINER_RESOURCES:
        causes.unsupported(f"{path}.resource", resource, _CONTAINER_RESOURCES)


def _environment_from(causes: Causes, sources: list[Obj], path: str) -> None:
    for index, source in enumerate(sources):
        here = f"{path}[{index}]"
        if source.get("prefix"):
            causes.each_invalid(f"{here}.prefix", source["prefix"], names.env_var_name(source["prefix"]))
        given = [kind for kind in ("configMapRef", "secretRef") if kind in source]
        for kind in given:
            if not source[kind].get("name"):
                causes.required(f"{here}.{kind}.name")
        if not given:
            causes.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            causes.invalid(path, "", "may not have more than one field specified at a time")


def _mounts(causes: Causes, container: Obj, devices: Iterable[Obj], volumes: Volumes, path: str) -> None:
    seen: set[str] = set()
    device_names = {device.get("name") for device in devices}
    device_paths = {device.get("devicePath") for device in devices}
    for index, mount in enumerate(container["volumeMounts"]):
        name, where = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            causes.required(f"{path}[{index}].name")
        if name not in volumes:
            causes.not_found(f"{path}[{index}].name", name)
        if not where:
            causes.required(f"{path}[{index}].mountPath")
        if where in seen:
            causes.invalid(f"{path}[{index}].mountPath", where, "must be unique")
        seen.add(where)
        if name in device_names:
            causes.invalid(f"{path}[{index}].name", name, "must not already exist in volumeDevices")
        if where in device_paths:
            causes.invalid(f"{path}[{index}].mountPath", where, "must not already exist as a path in volumeDevices")
        if mount.get("subPath"):
            descending_path(causes, f"{path}.subPath", mount["subPath"])
        if mount.get("subPathExpr"):
            if mount.get("subPath"):
                text = "subPathExpr and subPath are mutually exclusive"
                causes.invalid(f"{path}[{index}].subPathExpr", mount["subPathExpr"], text)
            descending_path(causes, f"{path}.subPathExpr", mount["subPathExpr"])
        if "mountPropagation" in mount:
            _propagation(causes, mount["mountPropagation"], container, f"{path}.mountPropagation")
        if "recursiveReadOnly" in mount:
            _recursive(causes, mount, f"{path}.recursiveReadOnly")


def _propagation(causes: Causes, value: str, container: Obj, path: str) -> None:
    if value not in _PROPAGATIONS:
        causes.unsupported(path, value, _PROPAGATIONS)
    elif value == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        causes.forbidden(path, "Bidirectional mount propagation is available only to privileged containers")


def _recursive(causes: Causes, mount: Obj, path: str) -> None:
    value = mount["recursiveReadOnly"]
    if value not in ("Disabled", "Enabled", "IfPossible"):
        causes.unsupported(path, value, ("Disabled", "Enabled", "IfPossible"))
    elif value != "Disabled":
        if not mount.get("readOnly"):
            causes.forbidden(path, "may only be specified when readOnly is true")
        elif mount.get("mountPropagation") not in (None, "None"):
            causes.forbidden(path, "may only be specified when mountPropagation is None or not specified")


def _devices(causes: Causes, container: Obj, devices: Iterable[Obj], volumes: Volumes, path: str) -> None:
    mounted = {mount.get("name") for mount in container.get("volumeMounts") or ()}
    mount_paths = {mount.get("mountPath") for mount in container.get("volumeMounts") or ()}
    seen_names: set[str] = set()
    seen_paths: set[str] = set()
    for index, device in enumerate(devices):
        name, where = device.get("name", ""), device.get("devicePath", "")
        here = f"{path}[{index}]"
        if not name:
            causes.required(f"{here}.name")
        elif name in seen_names:
            causes.invalid(f"{here}.name", name, "must be unique")
        if name in volumes:
            if not any(source in volumes[name] for source in ("persistentVolumeClaim", "ephemeral")):
                text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
                causes.invalid(f"{here}.name", name, text)
        elif name:
            causes.not_found(f"{here}.name", name)
        if not where:
            causes.required(f"{here}.devicePath")
        elif where in seen_paths:
            causes.invalid(f"{here}.devicePath", where, "must be unique")
        elif ".." in where.split("/"):
            causes.invalid(f"{here}.devicePath", where, "can not contain backsteps ('..')")
        else:
            seen_paths.add(where)
        if name and name in mounted:
            causes.invalid(f"{here}.name", name, "must not already exist in volumeMounts")
        if where in mount_paths and name not in mounted:
            causes.invalid(f"{here}.devicePath", where, "must not already exist as a path in volumeMounts")
        seen_names.add(name)


def resource_requirements(
    causes: Causes, resources: Obj, path: str, *, check_name: Callable[[Causes, str, str], None] | None = None
) -> None:
    """Requests and limits: known resources, amounts that are not negative, requests within limits."""
    check_name = check_name or _container_resource
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, amount in limits.items():
        _amount(causes, name, amount, f"{path}.limits[{name}]", check_name)
    for name, amount in requests.items():
        _amount(causes, name, amount, f"{path}.requests[{name}]", check_name)
        limit = limits.get(name)
        if limit is None:
            if not _may_overcommit(name):
                causes.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        elif amount != limit:
            order = quantity.compare(amount, limit)
            if order and not _may_overcommit(name):
                causes.invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}")
            elif order > 0:
                causes.invalid(f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limit}")


def _may_overcommit(name: str) -> bool:
    return ("/" not in name and not name.startswith("hugepages-")) or "kubernetes.io/" in name


_ORDINARY = frozenset(("cpu", "memory"))


def _container_resource(causes: Causes, field: str, name: str) -> None:
    if name not in _ORDINARY:
        references.resource_name(causes, field, name)


def _amount(causes: Causes, name: str, amount: str, path: str, check_name: Callable[[Causes, str, str], None]) -> None:
    check_name(causes, path, name)
    if amount[0] == "-":
        causes.invalid(path, amount, "must be greater than or equal to 0")
    if name not in _ORDINARY and references.is_integer_resource(name):
        references.whole_quantity(causes, path, amount)
    if name.startswith("hugepages-") and not _is_multiple(amount, name):
        causes.invalid(path, amount, f"{amount} is not positive integer multiple of {name}")


def _is_multiple(amount: str, name: str) -> bool:
    size = quantity.milli(name.removeprefix("hugepages-"))
    return size > 0 and quantity.milli(amount) % size == 0
