"""APIService: which server answers for one version of one API group."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

_GROUP_PRIORITY_MAX, _VERSION_PRIORITY_MAX, _HTTPS = 20_000, 1000, 443


def _defaults(obj: Obj) -> None:
    service = obj["spec"].get("service")
    if service is not None:
        service.setdefault("port", _HTTPS)


def _create(causes: Causes, obj: Obj) -> None:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    group, version = spec.get("group", ""), spec.get("version", "")
    wanted = f"{version}.{group}"
    if name and name != wanted and not names.path_segment(name):
        causes.invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"')
    if not group and version != "v1":
        causes.required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    _joined(causes, "spec.group", group, names.dns_subdomain(group) if group else ())
    _joined(causes, "spec.version", version, names.dns_label_1035(version))
    for field, limit in (("groupPriorityMinimum", _GROUP_PRIORITY_MAX), ("versionPriority", _VERSION_PRIORITY_MAX)):
        if not 0 < spec.get(field, 0) <= limit:
            causes.invalid(f"spec.{field}", spec.get(field, 0), f"must be positive and less than {limit}")
    if "service" in spec:
        _remote(causes, spec)
    else:
        _local(causes, spec)


def _joined(causes: Causes, field: str, value: str, faults: tuple[str, ...]) -> None:
    if faults:
        causes.invalid(field, value, ",".join(faults))


def _local(causes: Causes, spec: Obj) -> None:
    if spec.get("caBundle"):
        causes.invalid("spec.caBundle", f"{len(spec['caBundle'])} bytes", "local APIServices may not have a caBundle")
    if spec.get("insecureSkipTLSVerify"):
        text = "local APIServices may not have insecureSkipTLSVerify"
        causes.invalid("spec.insecureSkipTLSVerify", True, text)


def _remote(causes: Causes, spec: Obj) -> None:
    service = spec["service"]
    for field in ("namespace", "name"):
        if not service.get(field):
            causes.required(f"spec.service.{field}")
    port = service.get("port", _HTTPS)
    faults = names.port_number(port)
    if faults:
        causes.invalid("spec.service.port", port, f"port is not valid: {','.join(faults)}")
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        causes.invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present")


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _create(causes, new)


KIND = Kind(
    rules=Rules(create=_create, update=_update, name=names.path_segment),
    rest=RestRules(unconditional_update=False),
    defaults=_defaults,
    keeps_status=True,
)
