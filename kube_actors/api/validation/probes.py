"""Probes and lifecycle hooks of containers."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes

_SCHEMES = ("HTTP", "HTTPS")
_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def probes(causes: Causes, container: Obj, path: str) -> None:
    """The probes of a container that may have all three."""
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(causes, container[name], name, f"{path}.{name}")


def _probe(causes: Causes, probe: Obj, name: str, path: str) -> None:
    _handler(causes, probe, None, path)
    for field in _COUNTS:
        if probe.get(field, 0) < 0:
            causes.not_negative(f"{path}.{field}", probe[field])
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        causes.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    if name != "readinessProbe":
        if probe.get("successThreshold") != 1:
            causes.invalid(f"{path}.successThreshold", probe.get("successThreshold"), "must be 1")
    elif grace is not None:
        causes.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes")


def lifecycle(causes: Causes, hooks: Obj, spec: Obj, path: str) -> None:
    """What is done after the start and before the stop of a container."""
    for name in ("postStart", "preStop"):
        if name in hooks:
            _handler(causes, hooks[name], spec.get("terminationGracePeriodSeconds"), f"{path}.{name}")


def _handler(causes: Causes, handler: Obj, grace: int | None, path: str) -> None:
    """Exactly one thing to do."""
    found = 0
    for name in _HANDLERS:
        action = handler.get(name)
        if action is None:
            continue
        if found:
            causes.forbidden(f"{path}.{name}", "may not specify more than 1 handler type")
            continue
        found += 1
        where = f"{path}.{name}"
        if name == "exec":
            if not action.get("command"):
                causes.required(f"{where}.command")
        elif name == "httpGet":
            _http_get(causes, action, where)
        elif name == "tcpSocket":
            references.port_or_name(causes, f"{where}.port", action.get("port", 0))
        elif name == "grpc":
            causes.each_invalid(f"{where}.port", action["port"], names.port_number(action["port"]))
        elif grace is not None and not 0 <= action.get("seconds", 0) <= grace:
            text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
            causes.invalid(where, action["seconds"], text)
    if not found:
        causes.required(path, "must specify a handler type")


def _http_get(causes: Causes, action: Obj, path: str) -> None:
    if not action.get("path"):
        causes.required(f"{path}.path")
    references.port_or_name(causes, f"{path}.port", action.get("port", 0))
    if action.get("scheme") not in _SCHEMES:
        causes.unsupported(f"{path}.scheme", action.get("scheme", ""), _SCHEMES)
    for header in action.get("httpHeaders") or ():
        name = header.get("name", "")
        causes.each_invalid(f"{path}.httpHeaders", name, names.http_header(name))
