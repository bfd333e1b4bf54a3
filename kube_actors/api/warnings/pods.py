"""Of pods and of templates of pods; `path` is put before each field: empty, or `spec.template.`."""

from __future__ import annotations

from collections.abc import Iterator

from kube_actors.api import Obj, quantity
from kube_actors.api.meta import get_path, name_of
from kube_actors.api.validation import names
from kube_actors.api.warnings import labels

_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP = "container.seccomp.security.alpha.kubernetes.io/"
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    _SECCOMP_POD: 'non-functional in v1.27+; use the "seccompProfile" field instead',
}
_VOLUMES = {
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_CONTAINERS = ("initContainers", "containers")
# Where there may be something to warn of.
_FIELDS = frozenset(("nodeSelector", "affinity", "imagePullSecrets", "hostAliases"))
_CONTAINER_FIELDS = frozenset(("env", "resources", "ports"))


def warnings(pod: Obj, path: str) -> list[str]:
    """In the order of the fields."""
    spec = pod.get("spec") or {}
    found = [] if path else list(_name(pod))
    # Pods are created often, and most have nothing of what is warned of.
    if not _FIELDS.isdisjoint(spec) or _annotations(pod) or _ends_early(spec):
        found += _pod(pod, spec, path)
    if spec.get("volumes"):
        found += _volumes(spec, path)
    for field in _CONTAINERS:
        for index, container in enumerate(spec.get(field) or ()):
            if not _CONTAINER_FIELDS.isdisjoint(container):
                found += _container(container, f"{path}spec.{field}[{index}]")
    return found


def _annotations(pod: Obj) -> Obj:
    """A template may have no metadata."""
    return (pod.get("metadata") or {}).get("annotations") or {}


def _ends_early(spec: Obj) -> bool:
    return bool((spec.get("terminationGracePeriodSeconds") or 0) < 0)


def _name(pod: Obj) -> Iterator[str]:
    """A pod's name is its hostname; a template has none."""
    if not (faults := names.dns_label(name_of(pod))):
        return
    text = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
    yield f"metadata.name: {text}: [{' '.join(faults)}]"


def _pod(pod: Obj, spec: Obj, path: str) -> Iterator[str]:
    yield from labels.renamed(spec.get("nodeSelector") or (), f"{path}spec.nodeSelector")
    terms = get_path(
        spec,
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
        default=(),
    )
    for number, term in enumerate(terms):
        for index, expression in enumerate(term.get("matchExpressions") or ()):
            if text := labels.advice(expression.get("key", "")):
                where = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
                yield f"{path}spec.{where}[{number}].matchExpressions[{index}].key: {expression['key']} is {text}"
    for key in _annotations(pod):
        text = _ANNOTATIONS.get(key, "")
        if key.startswith(_SECCOMP):
            text = 'non-functional in v1.27+; use the "seccompProfile" field instead'
        elif key.startswith(_APP_ARMOR):
            text = 'deprecated since v1.30; use the "appArmorProfile" field instead'
        if text:
            yield f"{path}metadata.annotations[{key}]: {text}"
    for index, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if not reference.get("name"):
            where = f"{path}spec.imagePullSecrets[{index}].name"
            yield f"{where}: invalid empty name"
    if _ends_early(spec):
        field = f"{path}spec.terminationGracePeriodSeconds"
        yield f"{field}: must be >= 0; negative values are invalid and will be treated as 1"
    addresses: dict[str, int] = {}
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        if (ip := alias.get("ip", "")) in addresses:
            yield f"{path}spec.hostAliases[{index}].ip: duplicate host alias {ip} of hostAliases[{addresses[ip]}]"
        addresses.setdefault(ip, index)


def _volumes(spec: Obj, path: str) -> Iterator[str]:
    for index, volume in enumerate(spec.get("volumes") or ()):
        for kind, text in _VOLUMES.items():
            if kind in volume:
                yield f"{path}spec.volumes[{index}].{kind}: {text}"
        size = get_path(volume, "emptyDir", "sizeLimit")
        if size is not None and _is_fractional(size):
            yield f"{path}spec.volumes[{index}].emptyDir.sizeLimit: {_fractional(size)}"


def _container(container: Obj, here: str) -> Iterator[str]:
    yield from _variables(container, here)
    yield from _amounts(container, here)
    yield from _ports(container, here)


def _variables(container: Obj, here: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name = variable.get("name", "")
        if name in seen and f"$({name})" not in (variable.get("value") or ""):
            yield f'{here}.env[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _amounts(container: Obj, here: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    for kind in ("limits", "requests"):
        for name, amount in (resources.get(kind) or {}).items():
            if name in ("memory", "ephemeral-storage") and _is_fractional(amount):
                yield f"{here}.resources.{kind}[{name}]: {_fractional(amount)}"


def _ports(container: Obj, here: str) -> Iterator[str]:
    seen: dict[tuple[object, ...], int] = {}
    for index, port in enumerate(container.get("ports") or ()):
        key = (port.get("containerPort"), port.get("protocol"), port.get("hostPort"), port.get("hostIP"))
        if key in seen:
            yield f"{here}.ports[{index}]: duplicate port definition with {here}.ports[{seen[key]}]"
        seen.setdefault(key, index)


def _fractional(amount: str) -> str:
    return f'fractional byte value "{amount}" is invalid, must be an integer'


def _is_fractional(amount: str) -> bool:
    value = quantity.parse(amount)
    return value != value.to_integral_value()
