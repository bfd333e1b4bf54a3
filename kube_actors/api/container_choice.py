"""Which container of a pod a request means. Kubernetes: registry/core/pod/strategy.go."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.api import Obj, errors

_KINDS = ("containers", "initContainers", "ephemeralContainers")
_DEFAULT = "kubectl.kubernetes.io/default-container"


def container_of(pod: Obj, wanted: str) -> str:
    """The container that is meant, by its name or because there is one only. Raises BadRequest."""
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    names: dict[str, Sequence[str]] = {kind: [one["name"] for one in spec.get(kind) or ()] for kind in _KINDS}
    if wanted:
        if not any(wanted in found for found in names.values()):
            raise errors.BadRequest(f"container {wanted} is not valid for pod {name}")
        return wanted
    default = (pod["metadata"].get("annotations") or {}).get(_DEFAULT)
    containers = names["containers"]
    if len(containers) == 1 or default in containers:
        return str(default if default in containers else containers[0])
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]"
    if names["initContainers"]:
        text += f" or one of the init containers: [{' '.join(names['initContainers'])}]"
    raise errors.BadRequest(text)
