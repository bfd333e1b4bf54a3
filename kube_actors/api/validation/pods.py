"""Pods and pod templates (k8s.io/kubernetes/pkg/apis/core/validation)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation import names, references, scheduling
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.containers import (
    containers,
    ephemeral_containers,
    init_containers,
    resource_requirements,
)
from kube_actors.api.validation.metadata import check_annotations, finalizers, labels, metadata
from kube_actors.api.validation.pod_annotations import MIRROR, matching_profiles, pod_annotations
from kube_actors.api.validation.pod_resources import pod_resources
from kube_actors.api.validation.security import operating_system, pod_security
from kube_actors.api.validation.volumes import volumes
from kube_actors.api.validation.windows import host_process

__all__ = ["MIRROR", "new_or_changed_pod", "new_pod", "pod_spec", "template"]

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_INT32_MAX = 2**31 - 1
_SEARCHES_MAX = 2048


def pod_spec(causes: Causes, spec: Obj, path: str, *, pod_name: str | None = None) -> None:
    """The spec of a pod or, without `pod_name`, of a template (ValidatePodSpec)."""
    if "terminationGracePeriodSeconds" not in spec:
        causes.required(f"{path}.terminationGracePeriodSeconds")
    mountable = volumes(causes, spec["volumes"], f"{path}.volumes", pod_name) if spec.get("volumes") else {}
    if spec.get("resourceClaims"):
        _resource_claims(causes, spec["resourceClaims"], f"{path}.resourceClaims")
    seen = containers(causes, spec, mountable, path)
    if spec.get("initContainers"):
        init_containers(causes, spec, mountable, path, seen)
    if spec.get("ephemeralContainers"):
        ephemeral_containers(causes, spec, mountable, path, seen)
    if "resources" in spec:
        pod_resources(causes, spec, f"{path}.resources")
    if spec.get("hostNetwork"):
        _host_network(causes, spec, path, in_pod=pod_name is not None)
    if spec.get("restartPolicy") not in _RESTART_POLICIES:
        causes.one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART_POLICIES)
    if spec.get("dnsPolicy") not in _DNS_POLICIES:
        causes.one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    if spec.get("nodeSelector"):
        labels(causes, spec["nodeSelector"], f"{path}.nodeSelector")
    if spec.get("securityContext"):
        pod_security(causes, spec["securityContext"], spec, path)
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            causes.required(f"{path}.imagePullSecrets[{index}].name")
    if "affinity" in spec:
        scheduling.affinity(causes, spec["affinity"], f"{path}.affinity")
    _dns_config(causes, spec, path)
    _gates(causes, spec, path)
    if spec.get("topologySpreadConstraints"):
        scheduling.spread_constraints(causes, spec["topologySpreadConstraints"], f"{path}.topologySpreadConstraints")
    host_process(causes, spec, path)
    if spec.get("hostUsers") is False:
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(field):
                causes.forbidden(f"{path}.{field}", "when `hostUsers` is false")
    _names(causes, spec, path)
    if spec.get("tolerations"):
        scheduling.tolerations(causes, spec["tolerations"], f"{path}.tolerations")
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        references.ip(causes, f"{path}.hostAliases[{index}].ip", alias.get("ip", ""))
        for place, host in enumerate(alias.get("hostnames") or ()):
            causes.each_invalid(f"{path}.hostAliases[{index}].hostnames[{place}]", host, names.dns_subdomain(host))
    for field in ("priorityClassName", "runtimeClassName"):
        if spec.get(field):
            causes.each_invalid(f"{path}.{field}", spec[field], names.dns_subdomain(spec[field]))
    policy = spec.get("preemptionPolicy")
    if policy is not None:
        causes.one_of(f"{path}.preemptionPolicy", policy, ("PreemptLowerPriority", "Never"))
    if spec.get("overhead"):
        resource_requirements(causes, {"limits": spec["overhead"]}, f"{path}.overhead")
    if "os" in spec:
        operating_system(causes, spec, path)


def _resource_claims(causes: Causes, claims: list[Obj], path: str) -> None:
    seen: set[str] = set()
    sources = ("resourceClaimName", "resourceClaimTemplateName")
    for index, claim in enumerate(claims):
        here, name = f"{path}[{index}]", claim.get("name", "")
        if not name:
            causes.required(f"{here}.name")
        elif name in seen:
            causes.duplicate(f"{here}.name", name)
        else:
            causes.each_invalid(f"{here}.name", name, names.dns_label(name))
        seen.add(name)
        given = [field for field in sources if claim.get(field) is not None]
        shown = {"Name": name, **{f"R{field[1:]}": claim.get(field) for field in sources}}
        if len(given) > 1:
            text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            causes.invalid(here, shown, text)
        if not given:
            causes.invalid(here, shown, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
        for field in given:
            causes.each_invalid(f"{here}.{field}", claim[field], names.dns_subdomain(claim[field]))


def _host_network(causes: Causes, spec: Obj, path: str, *, in_pod: bool) -> None:
    """A container's port is the host's; a template may leave the second out."""
    for index, container in enumerate(spec.get("containers") or ()):
        for place, port in enumerate(container.get("ports") or ()):
            host = port.get("hostPort", 0)
            if (in_pod or host) and host != port.get("containerPort"):
                field = f"{path}.containers[{index}].ports[{place}].hostPort"
                causes.invalid(field, host, "must match `containerPort` when `hostNetwork` is true")


def _names(causes: Causes, spec: Obj, path: str) -> None:
    account, node = spec.get("serviceAccountName"), spec.get("nodeName")
    if account:
        causes.each_invalid(f"{path}.serviceAccountName", account, names.dns_subdomain(account))
    if node:
        causes.each_invalid(f"{path}.nodeName", node, names.dns_subdomain(node))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _INT32_MAX:
        causes.invalid(f"{path}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive")
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            causes.each_invalid(f"{path}.{field}", spec[field], names.dns_label(spec[field]))


def _dns_config(causes: Causes, spec: Obj, path: str) -> None:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None" and not (config or {}).get("nameservers"):
        if config is None:
            causes.required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
        else:
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            causes.required(f"{path}.dnsConfig.nameservers", text)
    if config is None:
        return
    where = f"{path}.dnsConfig"
    servers, searches = config.get("nameservers") or (), config.get("searches") or ()
    if len(servers) > 3:
        causes.invalid(f"{where}.nameservers", list(servers), "must not have more than 3 nameservers")
    for index, server in enumerate(servers):
        references.ip(causes, f"{where}.nameservers[{index}]", server)
    if len(searches) > 32:
        causes.invalid(f"{where}.searches", list(searches), "must not have more than 32 search paths")
    if len(" ".join(searches)) > _SEARCHES_MAX:
        text = f"must not have more than {_SEARCHES_MAX} characters (including spaces) in the search list"
        causes.invalid(f"{where}.searches", list(searches), text)
    for index, search in enumerate(searches):
        bare = search.removesuffix(".")
        if search != ".":
            causes.each_invalid(f"{where}.searches[{index}]", bare, names.subdomain_with_underscores(bare))
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            causes.required(f"{where}.options[{index}]", "must not be empty")


def _gates(causes: Causes, spec: Obj, path: str) -> None:
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType", "")
        field = f"{path}.readinessGates[{index}].conditionType"
        causes.each_invalid(field, kind, names.qualified_name(kind))
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        name = gate.get("name", "")
        causes.each_invalid(f"{path}.schedulingGates[{index}]", name, names.qualified_name(name))
        if name in seen:
            causes.duplicate(f"{path}.schedulingGates[{index}]", name)
        seen.add(name)


def new_or_changed_pod(causes: Causes, obj: Obj) -> None:
    """A pod with its metadata: what holds for it and not for templates (validatePodMetadataAndSpec)."""
    metadata(causes, obj["metadata"], True, names.dns_subdomain)
    _pod(causes, obj)


def _pod(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    pod_annotations(causes, obj["metadata"].get("annotations") or {}, spec, "metadata.annotations")
    pod_spec(causes, spec, "spec", pod_name=obj["metadata"].get("name", ""))
    if not spec.get("serviceAccountName"):
        _no_tokens(causes, spec)
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            image = container.get("image", "")
            if image != image.strip():
                causes.invalid(f"spec.{field}[{index}].image", image, "must not have leading or trailing whitespace")


def _no_tokens(causes: Causes, spec: Obj) -> None:
    for index, volume in enumerate(spec.get("volumes") or ()):
        for place, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if "serviceAccountToken" in source:
                field = f"spec.volumes[{index}].projected.sources[{place}].serviceAccountToken"
                causes.forbidden(field, "must not be specified when serviceAccountName is not set")


def new_pod(causes: Causes, obj: Obj) -> None:
    """A pod that is created, but its metadata."""
    _pod(causes, obj)
    spec = obj["spec"]
    if spec.get("ephemeralContainers"):
        causes.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        causes.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
    matching_profiles(causes, obj["metadata"].get("annotations") or {}, spec, "spec")


def template(causes: Causes, value: Obj | None, path: str) -> None:
    """A pod template: its labels and annotations, and its spec."""
    if value is None:
        causes.required(path)
        return
    meta = value.get("metadata") or {}
    labels(causes, meta.get("labels") or {}, f"{path}.labels")
    check_annotations(causes, meta.get("annotations") or {}, f"{path}.annotations")
    if "finalizers" in meta:
        finalizers(causes, meta["finalizers"], f"{path}.finalizers")
    spec = value.get("spec") or {}
    pod_annotations(causes, meta.get("annotations") or {}, spec, f"{path}.annotations")
    pod_spec(causes, spec, f"{path}.spec")
    matching_profiles(causes, meta.get("annotations") or {}, spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        causes.forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")
