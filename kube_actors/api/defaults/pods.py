"""Defaults of pods and of the pod templates that other kinds hold (k8s.io/kubernetes/pkg/apis/core/v1/defaults.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_actors.api import Obj

TERMINATION_LOG = "/dev/termination-log"
_FILE_MODE = 0o644
_TOKEN_SECONDS = 3600


def default_pod(obj: Obj) -> None:
    """Defaults of a Pod."""
    spec = obj["spec"]
    pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        _requests_from_limits(container.get("resources"))
        if spec.get("hostNetwork"):
            for port in container.get("ports") or ():
                port.setdefault("hostPort", port["containerPort"])
    _requests_from_limits(spec.get("resources"))


def _requests_from_limits(resources: Obj | None) -> None:
    """What is limited and not requested is requested at its limit."""
    limits = resources.get("limits") if resources else None
    if not limits or resources is None:
        return
    requests = resources.setdefault("requests", {})
    for name, amount in limits.items():
        requests.setdefault(name, amount)


def pod_template(template: Obj | None) -> None:
    """Defaults of the template in a Deployment, Job or the like."""
    if template and template.get("spec") is not None:
        pod_spec(template["spec"])


def pod_spec(spec: Obj) -> None:
    """Defaults that pods and templates share."""
    default = spec.setdefault
    default("restartPolicy", "Always")
    default("terminationGracePeriodSeconds", 30)
    default("dnsPolicy", "ClusterFirst")
    default("securityContext", {})
    default("schedulerName", "default-scheduler")
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:  # the second is the first's deprecated name
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in spec.get("containers") or ():
        _container(container)
    for container in spec.get("initContainers") or ():
        _container(container)
    for container in spec.get("ephemeralContainers") or ():
        _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _container(container: Obj) -> None:
    container.setdefault("terminationMessagePath", TERMINATION_LOG)
    container.setdefault("terminationMessagePolicy", "File")
    if "imagePullPolicy" not in container:
        container["imagePullPolicy"] = pull_policy(container.get("image", ""))
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        if "valueFrom" in variable:
            _env_source(variable["valueFrom"])
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])
    if "lifecycle" in container:
        _lifecycle(container)


def _lifecycle(container: Obj) -> None:
    hooks = container["lifecycle"]
    if hooks.pop("stopSignal", None) and not hooks:  # its feature is off by default
        del container["lifecycle"]
    for hook in hooks.values():
        _http_get(hook.get("httpGet"))


def pull_policy(image: str) -> str:
    """Always for the tag `latest`, given or implied, IfNotPresent for any other tag or digest."""
    if "@" in image:
        return "IfNotPresent"
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return "Always" if not colon or tag == "latest" else "IfNotPresent"


def _env_source(source: Obj) -> None:
    if "fieldRef" in source:
        source["fieldRef"].setdefault("apiVersion", "v1")
    if "resourceFieldRef" in source:
        source["resourceFieldRef"].setdefault("divisor", "0")
    if "fileKeyRef" in source:
        source["fileKeyRef"].setdefault("optional", False)


def _probe(probe: Obj) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    _http_get(probe.get("httpGet"))
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _http_get(action: Obj | None) -> None:
    if action is not None:
        action.setdefault("path", "/")
        action.setdefault("scheme", "HTTP")


def _file_mode(source: Obj) -> None:
    source.setdefault("defaultMode", _FILE_MODE)


def _downward_items(source: Obj) -> None:
    for item in source.get("items") or ():
        _env_source(item)


def _downward_api(source: Obj) -> None:
    _file_mode(source)
    _downward_items(source)


def _projected(source: Obj) -> None:
    _file_mode(source)
    for projection in source.get("sources") or ():
        if "serviceAccountToken" in projection:
            projection["serviceAccountToken"].setdefault("expirationSeconds", _TOKEN_SECONDS)
        if "downwardAPI" in projection:
            _downward_items(projection["downwardAPI"])


def _fill(**values: Any) -> Callable[[Obj], None]:
    def fill(source: Obj) -> None:
        for name, value in values.items():
            source.setdefault(name, value)

    return fill


def _ephemeral(source: Obj) -> None:
    template = source.get("volumeClaimTemplate")
    if template and template.get("spec") is not None:
        template["spec"].setdefault("volumeMode", "Filesystem")


def _image(source: Obj) -> None:
    source.setdefault("pullPolicy", pull_policy(source.get("reference", "")))


_ISCSI = _fill(iscsiInterface="default")
_RBD = _fill(pool="rbd", user="admin", keyring="/etc/ceph/keyring")
_AZURE_DISK = _fill(cachingMode="ReadWrite", kind="Shared", fsType="ext4", readOnly=False)
_SCALE_IO = _fill(storageMode="ThinProvisioned", fsType="xfs")

# Volume source -> its defaults; PersistentVolumes share them.
SOURCES: dict[str, Callable[[Obj], None]] = {
    "secret": _file_mode,
    "configMap": _file_mode,
    "downwardAPI": _downward_api,
    "projected": _projected,
    "hostPath": _fill(type=""),
    "iscsi": _ISCSI,
    "rbd": _RBD,
    "azureDisk": _AZURE_DISK,
    "scaleIO": _SCALE_IO,
    "ephemeral": _ephemeral,
    "image": _image,
}


def _volume(volume: Obj) -> None:
    if (len(volume) == 1 and "name" in volume) or not volume:
        volume["emptyDir"] = {}
        return
    for name in volume:
        defaulter = SOURCES.get(name)
        if defaulter is not None:
            defaulter(volume[name])
