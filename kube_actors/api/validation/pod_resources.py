"""What a pod asks for as a whole, beside what its containers ask for (validatePodResources)."""

from __future__ import annotations

from kube_actors.api import Obj, quantity
from kube_actors.api.pods import lasting_containers
from kube_actors.api.validation import references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.containers import resource_requirements

_SUPPORTED = ("cpu", "hugepages-", "memory")


def pod_resources(causes: Causes, spec: Obj, path: str) -> None:
    """Known resources, at least what the containers request, at most what they are limited to."""
    resources = spec["resources"]
    if "claims" in resources:
        causes.forbidden(f"{path}.claims", "claims cannot be set for Resources at pod-level")
    resource_requirements(causes, resources, path, check_name=_name)
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name, amount in _requested(spec).items():
        whole = requests.get(name, "0")
        if quantity.compare(amount, whole) > 0:
            text = f"must be greater than or equal to aggregate container requests of {amount}"
            causes.invalid(f"{path}.requests[{name}]", whole, text)
    for index, container in enumerate(spec.get("containers") or ()):
        for name, amount in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in limits and quantity.compare(amount, limits[name]) > 0:
                text = f"must be less than or equal to pod limits of {limits[name]}"
                causes.invalid(f"{path}.containers[{index}][{name}].limits", amount, text)


def _name(causes: Causes, field: str, name: str) -> None:
    before = len(causes)
    references.resource_name(causes, field, name)
    if len(causes) == before and not _is_supported(name):
        causes.unsupported(field, name, _SUPPORTED)


def _requested(spec: Obj) -> dict[str, str]:
    """What containers and sidecars request together, of what pods may request; init containers come before them."""
    total: dict[str, str] = {}
    for container in lasting_containers(spec):
        for name, amount in ((container.get("resources") or {}).get("requests") or {}).items():
            if _is_supported(name):
                total[name] = quantity.add(total.get(name, "0"), amount)
    return total


def _is_supported(name: str) -> bool:
    return name in ("cpu", "memory") or name.startswith("hugepages-")
