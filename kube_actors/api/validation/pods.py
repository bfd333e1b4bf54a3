"""Pods and pod templates (k8s.io/kubernetes/pkg/apis/core/validation)."""

from __future__ import annotations

import copy
from typing import Any

from kube_actors.api import Obj
from kube_actors.api.validation import names, references, scheduling
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.containers import containers, ephemeral_containers, init_containers
from kube_actors.api.validation.internal import ephemeral_node, pod_spec_node, spec_difference
from kube_actors.api.validation.metadata import check_annotations, finalizers, labels, metadata
from kube_actors.api.validation.rules import Rules
from kube_actors.api.validation.security import operating_system, pod_security
from kube_actors.api.validation.volumes import volumes

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_INT32_MAX = 2**31 - 1
MIRROR = "kubernetes.io/config.mirror"
UPDATE_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_spec(causes: Causes, spec: Obj, path: str) -> None:
    """The spec of a pod or of a template."""
    mountable = volumes(causes, spec["volumes"], f"{path}.volumes") if spec.get("volumes") else {}
    seen = containers(causes, spec, mountable, path)
    if spec.get("initContainers"):
        init_containers(causes, spec, mountable, path, seen)
    if spec.get("ephemeralContainers"):
        ephemeral_containers(causes, spec, mountable, path, seen)
    if spec.get("hostNetwork"):
        _host_network(causes, spec, path)
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
    if policy is not None and policy not in ("PreemptLowerPriority", "Never"):
        causes.unsupported(f"{path}.preemptionPolicy", policy, ("PreemptLowerPriority", "Never"))
    if "os" in spec:
        operating_system(causes, spec, path)


def _host_network(causes: Causes, spec: Obj, path: str) -> None:
    for index, container in enumerate(spec.get("containers") or ()):
        for place, port in enumerate(container.get("ports") or ()):
            if port.get("hostPort") and port["hostPort"] != port.get("containerPort"):
                field = f"{path}.containers[{index}].ports[{place}].hostPort"
                causes.invalid(field, port["hostPort"], "must match `containerPort` when `hostNetwork` is true")


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
    for index, search in enumerate(searches):
        bare = search.removesuffix(".")
        if search != ".":
            causes.each_invalid(f"{where}.searches[{index}]", search, names.dns_subdomain(bare))
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


def pod_annotations(causes: Causes, obj: Obj) -> None:
    """Annotations that mean something to Kubernetes."""
    values = obj["metadata"].get("annotations")
    if values and MIRROR in values and not obj["spec"].get("nodeName"):
        text = "must set spec.nodeName if mirror pod annotation is set"
        causes.invalid(f"metadata.annotations[{MIRROR}]", values[MIRROR], text)


def pod(causes: Causes, obj: Obj) -> None:
    """A pod but its metadata."""
    pod_annotations(causes, obj)
    pod_spec(causes, obj["spec"], "spec")


def new_pod(causes: Causes, obj: Obj) -> None:
    """A pod that is created: what an old one may have and a new one may not."""
    pod(causes, obj)
    spec = obj["spec"]
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            image = container.get("image", "")
            if image != image.strip():
                causes.invalid(f"spec.{field}[{index}].image", image, "must not have leading or trailing whitespace")
    if spec.get("ephemeralContainers"):
        causes.forbidden("spec.ephemeralContainers", "cannot be set on create")


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
    pod_spec(causes, value.get("spec") or {}, f"{path}.spec")
    if (value.get("spec") or {}).get("ephemeralContainers"):
        causes.forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def pod_update(causes: Causes, new: Obj, old: Obj) -> None:
    """The few changes that a pod's spec allows."""
    metadata(causes, new["metadata"], True, names.dns_subdomain)
    pod(causes, new)
    if new["spec"] == old["spec"]:
        return
    before = len(causes)
    for field in ("containers", "initContainers"):
        if not _same_containers(causes, new["spec"], old["spec"], field):
            return
    _deadline(causes, new["spec"], old["spec"])
    if len(causes) > before:
        return
    _scheduling_gates(causes, new["spec"], old["spec"])
    if not old["spec"].get("schedulingGates"):
        _tolerations(causes, new["spec"], old["spec"])
    munged = _allowed(new["spec"], old["spec"])
    if munged != old["spec"]:
        difference = spec_difference(pod_spec_node(), old["spec"], munged)
        causes.forbidden("spec", f"{UPDATE_TEXT}\n{difference}")


def _same_containers(causes: Causes, new: Obj, old: Obj, field: str) -> bool:
    items, before = new.get(field) or [], old.get(field) or []
    if len(items) != len(before):
        causes.forbidden(f"spec.{field}", "pod updates may not add or remove containers")
        return False
    for index, container in enumerate(items):
        if not container.get("image"):
            causes.required(f"spec.{field}[{index}].image")
    return True


def _deadline(causes: Causes, new: Obj, old: Obj) -> None:
    value, before = new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")
    field = "spec.activeDeadlineSeconds"
    if value is not None:
        if not 0 <= value <= _INT32_MAX:
            causes.invalid(field, value, "must be between 0 and 2147483647, inclusive")
        elif before is not None and before < value:
            causes.invalid(field, value, "must be less than or equal to previous value")
    elif before is not None:
        causes.invalid(field, None, "must not update from a positive integer to nil value")


def _scheduling_gates(causes: Causes, new: Obj, old: Obj) -> None:
    before = {gate["name"] for gate in old.get("schedulingGates") or ()}
    for index, gate in enumerate(new.get("schedulingGates") or ()):
        if gate["name"] not in before:
            text = f"only deletion is allowed, but found new scheduling gate '{gate['name']}'"
            causes.forbidden(f"spec.schedulingGates[{index}].name", text)


def _tolerations(causes: Causes, new: Obj, old: Obj) -> None:
    def key(toleration: Obj) -> Any:
        return tuple(toleration.get(field, "") for field in ("key", "operator", "value", "effect"))

    items = new.get("tolerations") or []
    kept = {key(toleration): toleration for toleration in items}
    for toleration in old.get("tolerations") or ():
        found = kept.get(key(toleration))
        lower = found is not None and "tolerationSeconds" in toleration and "tolerationSeconds" not in found
        if found is None or lower:
            text = "existing toleration can not be modified except its tolerationSeconds"
            causes.forbidden("spec.tolerations", text)
            return


def _allowed(new: Obj, old: Obj) -> Obj:
    """`new` with what may change taken from `old`: what differs then is forbidden."""
    munged = copy.deepcopy(new)
    for field in ("containers", "initContainers"):
        for container, before in zip(munged.get(field) or (), old.get(field) or (), strict=False):
            if "image" in before:
                container["image"] = before["image"]
    fields = ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    if new.get("terminationGracePeriodSeconds") == 1 and old.get("terminationGracePeriodSeconds", 0) < 0:
        fields.append("terminationGracePeriodSeconds")
    if old.get("schedulingGates"):  # a gated pod may still be narrowed down
        fields += ["nodeSelector", "affinity"]
    for field in fields:
        if field in old:
            munged[field] = old[field]
        else:
            munged.pop(field, None)
    return munged


def _ephemeral(causes: Causes, new: Obj, old: Obj) -> None:
    """Ephemeral containers are added, never changed or removed."""
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


def ephemeral_update(causes: Causes, new: Obj, old: Obj) -> None:
    """A change through the subresource ephemeralcontainers."""
    pod(causes, new)
    _ephemeral(causes, new, old)


def pod_status(causes: Causes, new: Obj, old: Obj) -> None:
    """A change of a pod's status."""
    status, before = new.get("status") or {}, old.get("status") or {}
    for index, condition in enumerate(status.get("conditions") or ()):
        kind = condition.get("type", "")
        if kind not in _KNOWN_CONDITIONS and names.qualified_name(kind):
            causes.each_invalid(f"status.conditions[{index}].type", kind, names.qualified_name(kind))
    nominated = status.get("nominatedNodeName")
    if nominated:
        causes.each_invalid("status.nominatedNodeName", nominated, names.dns_subdomain(nominated))
    if before.get("qosClass") and status.get("qosClass", "") != before["qosClass"]:
        causes.invalid("status.qosClass", status.get("qosClass", ""), "field is immutable")
    for field in ("containerStatuses", "initContainerStatuses"):
        _state_transitions(causes, status, before, field, old["spec"])
    for index, address in enumerate(status.get("podIPs") or ()):
        references.ip(causes, f"status.podIPs[{index}]", address.get("ip", ""))


_KNOWN_CONDITIONS = ("PodScheduled", "Ready", "Initialized", "ContainersReady", "DisruptionTarget")


def _state_transitions(causes: Causes, status: Obj, before: Obj, field: str, spec: Obj) -> None:
    """Under a policy that does not restart, a container that has terminated stays so."""
    policy = spec.get("restartPolicy")
    if policy == "Always":
        return
    now = {one.get("name"): one for one in status.get(field) or ()}
    for index, one in enumerate(before.get(field) or ()):
        terminated = (one.get("state") or {}).get("terminated")
        if terminated is None or (policy == "OnFailure" and terminated.get("exitCode") != 0):
            continue
        next_state = (now.get(one.get("name")) or {}).get("state")
        if next_state is not None and "terminated" not in next_state:
            causes.forbidden(f"status.{field}[{index}].state", "may not be transitioned to non-terminated state")


POD = Rules(create=new_pod, update=pod_update, status=pod_status)
