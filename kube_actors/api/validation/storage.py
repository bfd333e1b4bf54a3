"""What the kinds of storage.k8s.io have in common."""

from __future__ import annotations

from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes

_PARAMETERS_MAX, _PARAMETERS_BYTES, _DRIVER_NAME_MAX = 512, 256 * 1024, 63


def parameters(causes: Causes, values: dict[str, str], path: str, *, may_be_empty: bool) -> None:
    """Parameters of a class of volumes: opaque to Kubernetes, bounded in size."""
    if len(values) > _PARAMETERS_MAX:
        causes.too_long(path, _PARAMETERS_MAX)
        return
    for key in values:
        if not key:
            causes.invalid(path, key, "field can not be empty.")
    if sum(len(key) + len(value) for key, value in values.items()) > _PARAMETERS_BYTES:
        causes.too_long(path, _PARAMETERS_BYTES)
    if not values and not may_be_empty:
        causes.required(path, "must contain at least one key/value pair")


def driver_name(causes: Causes, name: str, path: str) -> None:
    """The name of a CSI driver, which is also that of a driver of devices (ValidateCSIDriverName)."""
    if not name:
        causes.required(path)
        return
    if len(name) > _DRIVER_NAME_MAX:
        causes.too_long(path, _DRIVER_NAME_MAX)
    causes.each_invalid(path, name, names.dns_subdomain(name.lower()))
