"""What of a pod matters to scheduling, as a value: pods of equal shape are placed together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kube_actors.api import Obj, encoding
from kube_actors.api.meta import get_path, make_key, namespace_of
from kube_actors.api.pods import accounted, lasting_containers, requests_of
from kube_actors.api.volumes import claim_names

CPU, MEMORY, EPHEMERAL_STORAGE, PODS = "cpu", "memory", "ephemeral-storage", "pods"

# What a container without a request counts for where nodes are compared (not where fit is decided).
DEFAULT_CPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024

# (host IP, protocol, host port)
Port = tuple[str, str, int]
ANY_IP = "0.0.0.0"

SHAPES = 16384


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Compared by identity: `shape_of` gives one object for equal specs, as long as it remembers them."""

    requests: Mapping[str, int]
    nonzero_cpu: int
    nonzero_memory: int
    ports: tuple[Port, ...]
    images: tuple[str, ...]
    node_name: str
    node_selector: Mapping[str, str]
    node_affinity: Mapping[str, Any]
    tolerations: tuple[Mapping[str, Any], ...]
    never_preempts: bool
    # `namespace/name` of the claims of its volumes.
    claims: tuple[str, ...] = ()

    @property
    def best_effort(self) -> bool:
        """Asks for neither CPU nor memory."""
        return not self.requests.get(CPU) and not self.requests.get(MEMORY)


_known: dict[bytes, Shape] = {}


def shape_of(pod: Obj, *, ignore_node_name: bool = False) -> Shape:
    """The shape of a pod. `ignore_node_name`: of a bound pod, so that it has the shape it was placed with."""
    spec = accounted(pod)
    containers = spec.get("containers") or ()
    init = spec.get("initContainers") or ()
    node_name = "" if ignore_node_name else spec.get("nodeName") or ""
    node_affinity = get_path(spec, "affinity", "nodeAffinity", default={})
    claims = [make_key(namespace_of(pod), name) for name in claim_names(pod)] if spec.get("volumes") else []
    key = encoding.dumps(
        [
            [(each.get("resources"), each.get("ports"), each.get("image")) for each in containers],
            [(each.get("resources"), each.get("ports"), each.get("image"), each.get("restartPolicy")) for each in init],
            spec.get("overhead"),
            spec.get("resources"),
            node_name,
            spec.get("nodeSelector"),
            node_affinity,
            spec.get("tolerations"),
            spec.get("preemptionPolicy"),
            claims,
        ]
    )
    shape = _known.get(key)
    if shape is None:
        if len(_known) >= SHAPES:
            _known.clear()
        shape = _known[key] = _parse(spec, node_name, node_affinity, tuple(claims))
    return shape


def image_name(name: str) -> str:
    """An image's name with its tag: `latest` where none is given."""
    return name if name.rfind(":") > name.rfind("/") else f"{name}:latest"


def _parse(spec: Obj, node_name: str, node_affinity: Mapping[str, Any], claims: tuple[str, ...]) -> Shape:
    containers = spec.get("containers") or ()
    init = spec.get("initContainers") or ()
    requests = requests_of(spec)
    nonzero = requests_of(spec, {CPU: DEFAULT_CPU, MEMORY: DEFAULT_MEMORY})
    return Shape(
        requests=requests | {PODS: 1},
        nonzero_cpu=nonzero.get(CPU, 0),
        nonzero_memory=nonzero.get(MEMORY, 0),
        ports=tuple(_ports(lasting_containers(spec))),
        images=tuple(image_name(each.get("image") or "") for each in (*init, *containers)),
        node_name=node_name,
        node_selector=spec.get("nodeSelector") or {},
        node_affinity=node_affinity,
        tolerations=tuple(spec.get("tolerations") or ()),
        never_preempts=spec.get("preemptionPolicy") == "Never",
        claims=claims,
    )


def _ports(containers: Iterable[Obj]) -> Iterable[Port]:
    return {
        (port.get("hostIP") or ANY_IP, port.get("protocol") or "TCP", int(port["hostPort"])): None
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }
