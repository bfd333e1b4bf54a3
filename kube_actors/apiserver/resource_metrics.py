"""metrics.k8s.io: what nodes and pods use now. Nobody writes these objects; agents are asked when a client asks.

What Kubernetes has metrics-server for, which scrapes all the time. Here CPU is the rate since the last time that
somebody asked, ten seconds ago at least, or since the container's start where nobody has.
Kubernetes: k8s.io/metrics/pkg/apis/metrics/v1beta1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kube_actors.aio.clock import Clock, parse_rfc3339, rfc3339
from kube_actors.api import Obj, encoding, errors
from kube_actors.api.resources import NODES, PODS, READ_ONLY, Resource
from kube_actors.apiserver import listing, usage
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.cache.entry import Entry
from kube_actors.apiserver.listing import Page
from kube_actors.apiserver.request import ListOptions, Target
from kube_actors.apiserver.streams.agents import Agents

GROUP = "metrics.k8s.io"
# They are stored nowhere: their place is one where nothing is.
NODE_METRICS = Resource(GROUP, "v1beta1", "nodes", "NodeMetrics", False, verbs=READ_ONLY, store_path=f"{GROUP}/nodes")
POD_METRICS = Resource(GROUP, "v1beta1", "pods", "PodMetrics", True, verbs=READ_ONLY, store_path=f"{GROUP}/pods")
RESOURCES = (NODE_METRICS, POD_METRICS)

# An answer of a node is good for this long, and this old a rate has to be.
FRESH_SECONDS = 5.0
WINDOW_SECONDS = 10.0
NODES_AT_ONCE = 32
# Among the readings of containers, that of the node.
NODE = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Cumulated CPU in nanoseconds, by container id, at a time."""

    at: float
    cpu: Mapping[str, int]


@dataclass(slots=True)
class Known:
    """What a node said: its last Summary, and the reading that rates are since."""

    body: Obj
    now: Reading
    before: Reading = field(default_factory=lambda: Reading(0.0, {}))


class ResourceMetrics:
    """Keeps the last answer of each node that was asked about."""

    def __init__(self, cache: Cache, agents: Agents, clock: Clock) -> None:
        self._cache = cache
        self._agents = agents
        self._clock = clock
        self._known: dict[str, Known] = {}

    def answers(self, resource: Resource) -> bool:
        return resource in RESOURCES

    async def get(self, target: Target) -> bytes:
        """Raises NotFound for what does not run, or is not heard of."""
        page = await self.page(target, ListOptions())
        if not page.entries:
            raise errors.not_found(target.resource.plural, GROUP, target.name)
        return page.entries[0].data

    async def page(self, target: Target, options: ListOptions) -> Page:
        """All that the selectors choose and of which there are metrics."""
        of = NODES if target.resource.plural == "nodes" else PODS
        await self._cache.fresh()
        selection = listing.select(self._cache, Target(of, target.namespace, target.name), options)
        bucket = self._cache.bucket(of)
        chosen = [entry for entry in bucket.entries(*bucket.keys(target.namespace)) if selection.matches(entry)]
        make = self._of_nodes if of == NODES else self._of_pods
        return Page([Entry(key, 0, encoding.dumps(obj)) for key, obj in await make(chosen)], 0)

    async def _of_nodes(self, chosen: list[Entry]) -> list[tuple[str, Obj]]:
        known = await self._ask(entry.key for entry in chosen)
        made = []
        for entry in chosen:
            if (one := known.get(entry.key)) is not None:
                node = one.body["node"]
                cpu, memory = _node_cores(one, node), node["memory"]["workingSetBytes"]
                made.append((entry.key, _object("NodeMetrics", entry, one) | {"usage": _usage(cpu, memory)}))
        return made

    async def _of_pods(self, chosen: list[Entry]) -> list[tuple[str, Obj]]:
        nodes = {entry.key: str(entry.decode()["spec"].get("nodeName") or "") for entry in chosen}
        known = await self._ask(set(nodes.values()) - {""})
        pods = {
            f"{pod['podRef']['namespace']}/{pod['podRef']['name']}": (one, pod)
            for one in known.values()
            for pod in one.body["pods"]
            if pod["containers"]
        }
        made = []
        for entry in chosen:
            if entry.key not in pods:
                continue
            one, pod = pods[entry.key]
            containers = [{"name": name, "usage": _usage(cpu, memory)} for name, cpu, memory in _containers(one, pod)]
            made.append((entry.key, _object("PodMetrics", entry, one) | {"containers": containers}))
        return made

    async def _ask(self, nodes: Iterable[str]) -> dict[str, Known]:
        """What the nodes say; those that do not answer are left out."""
        slots = asyncio.Semaphore(NODES_AT_ONCE)

        async def ask(node: str) -> tuple[str, Known | None]:
            async with slots:
                return node, await self._of_node(node)

        answers = await asyncio.gather(*map(ask, nodes))
        return {node: known for node, known in answers if known is not None}

    async def _of_node(self, node: str) -> Known | None:
        now, last = self._clock.now(), self._known.get(node)
        if last is not None and now - last.now.at < FRESH_SECONDS:
            return last
        try:
            body = await usage.summary(self._agents, node)
        except errors.ApiError:
            return None
        used = {key: cpu for pod in body["pods"] for key, cpu in _cpu(pod)}
        reading = Reading(now, used | {NODE: body["node"]["cpu"]["usageCoreNanoSeconds"]})
        before = last.before if last is not None else Reading(0.0, {})
        if last is not None and now - last.now.at >= WINDOW_SECONDS:
            before = last.now
        known = self._known[node] = Known(body, reading, before)
        return known


def _cpu(pod: Obj) -> list[tuple[str, int]]:
    return [(_key(pod, each), each["cpu"]["usageCoreNanoSeconds"]) for each in pod["containers"]]


def _key(pod: Obj, container: Obj) -> str:
    """A container that was restarted counts from zero again: its start belongs to its name."""
    return f"{pod['podRef']['uid']}/{container['name']}/{container['startTime']}"


def _containers(known: Known, pod: Obj) -> list[tuple[str, float, int]]:
    """(name, cores in use, bytes in use) of a pod's containers."""
    return [
        (str(each["name"]), _cores(known, _key(pod, each), each), int(each["memory"]["workingSetBytes"]))
        for each in pod["containers"]
    ]


def _node_cores(known: Known, node: Obj) -> float:
    """Its counter began with the machine, not with the agent: before there are two looks the node itself knows."""
    if NODE in known.before.cpu:
        return _cores(known, NODE, node)
    return float(node["cpu"].get("usageNanoCores", 0)) / 1e9


def _cores(known: Known, key: str, what: Obj) -> float:
    """The cores that a container or the node used between the two looks, or since it began."""
    since, at = known.before.cpu.get(key, 0), known.before.at
    if key not in known.before.cpu:
        at = parse_rfc3339(what["startTime"])
    return max(known.now.cpu[key] - since, 0) / 1e9 / max(known.now.at - at, 1.0)


def _usage(cores: float, memory: int) -> Obj:
    return {"cpu": f"{round(cores * 1e9)}n", "memory": f"{memory // 1024}Ki"}


def _object(kind: str, entry: Entry, known: Known) -> Obj:
    meta = entry.decode()["metadata"]
    kept = {key: meta[key] for key in ("name", "namespace", "labels") if meta.get(key)}
    window = known.now.at - known.before.at if known.before.at else WINDOW_SECONDS
    return {
        "kind": kind,
        "apiVersion": f"{GROUP}/v1beta1",
        "metadata": kept | {"creationTimestamp": rfc3339(int(known.now.at))},
        "timestamp": rfc3339(int(known.now.at)),
        "window": f"{max(round(window), 1)}s",
    }
