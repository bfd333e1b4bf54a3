"""Containers of a pod: names, ports, environment, mounts, resources, probes, hooks, security."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kube_actors.api import Obj, quantity
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.environment import environment, environment_from
from kube_actors.api.validation.mounts import Volumes, volume_devices, volume_mounts
from kube_actors.api.validation.probes import lifecycle, probes
from kube_actors.api.validation.restarts import restart_rules
from kube_actors.api.validation.security import container_security

_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_FORBIDDEN_EPHEMERAL = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe", "readinessProbe",
    "startupProbe", "lifecycle",
)  # fmt: skip


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
        _common(causes, container, spec, volumes, here)
        _unique(causes, container.get("name", ""), seen, here)
        if "lifecycle" in container:
            lifecycle(causes, container["lifecycle"], spec, f"{here}.lifecycle")
        probes(causes, container, here)
        restart_rules(causes, container, here)
    _host_port_conflicts(causes, items, where)
    return seen


def init_containers(causes: Causes, spec: Obj, volumes: Volumes, path: str, seen: set[str]) -> None:
    """Containers that run before; their names differ from those in `seen`."""
    where = f"{path}.initContainers"
    items = spec.get("initContainers") or ()
    for index, container in enumerate(items):
        here = f"{where}[{index}]"
        _common(causes, container, spec, volumes, here)
        sidecar = container.get("restartPolicy") == "Always"
        restart_rules(causes, container, here)
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
        _common(causes, container, spec, volumes, here)
        _unique(causes, container.get("name", ""), seen, here)
        target = container.get("targetContainerName")
        if target and target not in main:
            causes.not_found(f"{here}.targetContainerName", target)
        for field in _FORBIDDEN_EPHEMERAL:
            if container.get(field):
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


def _common(causes: Causes, container: Obj, spec: Obj, volumes: Volumes, path: str) -> None:
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
        environment(causes, container["env"], f"{path}.env")
    if container.get("envFrom"):
        environment_from(causes, container["envFrom"], f"{path}.envFrom")
    devices = container.get("volumeDevices") or ()
    if container.get("volumeMounts"):
        volume_mounts(causes, container, devices, volumes, f"{path}.volumeMounts")
    if devices:
        volume_devices(causes, container, devices, volumes, f"{path}.volumeDevices")
    if container.get("imagePullPolicy") not in _PULL_POLICIES:
        causes.one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    if container.get("resources"):
        resource_requirements(causes, container["resources"], f"{path}.resources")
    for index, policy in enumerate(container.get("resizePolicy") or ()):
        _resize_policy(causes, policy, container["resizePolicy"][:index], f"{path}.resizePolicy", index)
    if container.get("securityContext"):
        container_security(causes, container["securityContext"], spec, f"{path}.securityContext")


_RESIZED, _RESIZE_POLICIES = ("cpu", "memory"), ("NotRequired", "RestartContainer")


def _resize_policy(causes: Causes, policy: Obj, before: list[Obj], path: str, index: int) -> None:
    name = policy.get("resourceName", "")
    if any(other.get("resourceName", "") == name for other in before):
        causes.duplicate(f"{path}[{index}]", name)
    causes.one_of(path, name, _RESIZED)
    causes.one_of(path, policy.get("restartPolicy", ""), _RESIZE_POLICIES)


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
