"""Ingress: which host and path leads to which service (pkg/apis/networking/validation)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDINGS = ("/..", "/.")


def _create(causes: Causes, obj: Obj) -> None:
    _spec(causes, obj["spec"])
    annotation = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    name = obj["spec"].get("ingressClassName")
    if None not in (annotation, name) and annotation != name:
        text = "must match `ingressClassName` when both are specified"
        causes.invalid(f"annotations.{CLASS_ANNOTATION}", annotation, text)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _spec(causes, new["spec"])


def _spec(causes: Causes, spec: Obj) -> None:
    if not spec.get("rules") and "defaultBackend" not in spec:
        causes.invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    if "defaultBackend" in spec:
        _backend(causes, spec["defaultBackend"], "spec.defaultBackend")
    for index, rule in enumerate(spec.get("rules") or ()):
        _rule(causes, rule, f"spec.rules[{index}]")
    for index, tls in enumerate(spec.get("tls") or ()):
        _tls(causes, tls, f"spec.tls[{index}]")
    if "ingressClassName" in spec:
        name = spec["ingressClassName"]
        causes.each_invalid("spec.ingressClassName", name, names.dns_subdomain(name))


def _tls(causes: Causes, tls: Obj, path: str) -> None:
    for index, host in enumerate(tls.get("hosts") or ()):
        causes.each_invalid(f"{path}.hosts[{index}]", host, _host_faults(host))
    secret = tls.get("secretName")
    if secret:
        causes.each_invalid(f"{path}.secretName", secret, names.dns_subdomain(secret))


def _host_faults(host: str) -> tuple[str, ...]:
    return names.wildcard_subdomain(host) if "*" in host else names.dns_subdomain(host)


def _rule(causes: Causes, rule: Obj, path: str) -> None:
    host = rule.get("host")
    if host:
        if references.is_ip(host):
            causes.invalid(f"{path}.host", host, "must be a DNS name, not an IP address")
        causes.each_invalid(f"{path}.host", host, _host_faults(host))
    if "http" not in rule:
        return
    paths = rule["http"].get("paths")
    if not paths:
        causes.required(f"{path}.http.paths")
    for index, one in enumerate(paths or ()):
        _path(causes, one, f"{path}.http.paths[{index}]")


def _path(causes: Causes, one: Obj, path: str) -> None:
    kind, value = one.get("pathType"), one.get("path", "")
    if kind is None:
        causes.required(f"{path}.pathType", "pathType must be specified")
        return
    if kind in ("Exact", "Prefix"):
        if not value.startswith("/"):
            causes.invalid(f"{path}.path", value, "must be an absolute path")
        for bad in _BAD_SEQUENCES:
            if bad in value:
                causes.invalid(f"{path}.path", value, f"must not contain '{bad}'")
        for bad in _BAD_ENDINGS:
            if value.endswith(bad):
                causes.invalid(f"{path}.path", value, f"cannot end with '{bad}'")
    elif kind == "ImplementationSpecific":
        if value and not value.startswith("/"):
            causes.invalid(f"{path}.path", value, "must be an absolute path")
    else:
        causes.unsupported(f"{path}.pathType", kind, _PATH_TYPES)
    _backend(causes, one.get("backend") or {}, f"{path}.backend")


def _backend(causes: Causes, backend: Obj, path: str) -> None:
    if "resource" in backend and "service" in backend:
        causes.invalid(path, "", "cannot set both resource and service backends")
    elif "resource" in backend:
        references.typed_local_reference(causes, backend["resource"], f"{path}.resource")
    elif "service" in backend:
        _service(causes, backend["service"], path)
    else:
        causes.invalid(path, "", "resource or service backend is required")


def _service(causes: Causes, service: Obj, path: str) -> None:
    name, port = service.get("name", ""), service.get("port") or {}
    if not name:
        causes.required(f"{path}.service.name")
    else:
        causes.each_invalid(f"{path}.service.name", name, names.dns_label(name))
    if port.get("name") and port.get("number"):
        causes.invalid(path, "", "cannot set both port name & port number")
    elif port.get("name"):
        causes.each_invalid(f"{path}.service.port.name", port["name"], names.port_name(port["name"]))
    elif port.get("number"):
        causes.each_invalid(f"{path}.service.port.number", port["number"], names.port_number(port["number"]))
    else:
        causes.required(path, "port name or number is required")


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    balancer = (new.get("status") or {}).get("loadBalancer") or {}
    for index, entry in enumerate(balancer.get("ingress") or ()):
        path = f"status.loadBalancer.ingress[{index}]"
        if entry.get("ip"):
            references.ip(causes, f"{path}.ip", entry["ip"])
        host = entry.get("hostname")
        if host:
            causes.each_invalid(f"{path}.hostname", host, names.dns_subdomain(host))
            if references.is_ip(host):
                causes.invalid(f"{path}.hostname", host, "must be a DNS name, not an IP address")


KIND = Kind(rules=Rules(create=_create, update=_update, status=_status), counted=("spec",))
