"""What nodes and pods use, as their agents tell it: kubelet's Summary, and its form for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj, encoding, errors
from kube_actors.apiserver.failures import internal
from kube_actors.apiserver.streams.agents import Agents
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import node_pb2

SECONDS = 10.0

# name -> (type, help), in the order of kubelet's /metrics/resource.
_METRICS = {
    "container_cpu_usage_seconds_total": (
        "counter",
        "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
    ),
    "container_memory_working_set_bytes": ("gauge", "[STABLE] Current working set of the container in bytes"),
    "container_start_time_seconds": (
        "gauge",
        "[STABLE] Start time of the container since unix epoch in seconds",
    ),
    "node_cpu_usage_seconds_total": ("counter", "[STABLE] Cumulative cpu time consumed by the node in core-seconds"),
    "node_memory_working_set_bytes": ("gauge", "[STABLE] Current working set of the node in bytes"),
    "pod_cpu_usage_seconds_total": ("counter", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds"),
    "pod_memory_working_set_bytes": ("gauge", "[STABLE] Current working set of the pod in bytes"),
    "resource_scrape_error": ("gauge", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise"),
}
Sample = tuple[str, str, float, int | None]


async def summary(agents: Agents, node: str) -> Obj:
    """The node's Summary. Raises ApiErrors."""
    try:
        answer = await agents.stub(node).unary("Stats", node_pb2.StatsRequest(node=node), SECONDS)
    except RpcError as error:
        text = f"the agent of node {node} cannot be asked: {error.message}"
        raise (errors.Unavailable(text) if error.transient else internal(text)) from error
    body: Obj = encoding.loads(answer.summary)
    return body


def exposition(body: Obj) -> bytes:
    """A Summary as kubelet's /metrics/resource."""
    found: dict[str, list[str]] = {name: [] for name in _METRICS}
    for name, labels, value, at in _samples(body):
        stamp = "" if at is None else f" {at}"
        found[name].append(f"{name}{labels} {value!r}{stamp}")
    lines = []
    for name, (kind, text) in _METRICS.items():
        if found[name]:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *found[name]]
    return ("\n".join(lines) + "\n").encode()


def _samples(body: Obj) -> Iterator[Sample]:
    yield from _usage("node", "", body["node"])
    for pod in body["pods"]:
        ref = pod["podRef"]
        of_pod = f'namespace="{ref["namespace"]}",pod="{ref["name"]}"'
        yield from _usage("pod", f"{{{of_pod}}}", pod)
        for container in pod["containers"]:
            labels = f'{{container="{container["name"]}",{of_pod}}}'
            yield from _usage("container", labels, container)
            yield "container_start_time_seconds", labels, parse_rfc3339(container["startTime"]), None
    yield "resource_scrape_error", "", 0.0, None


def _usage(kind: str, labels: str, what: Obj) -> Iterator[Sample]:
    at = int(parse_rfc3339(what["cpu"]["time"]) * 1000)
    yield f"{kind}_cpu_usage_seconds_total", labels, what["cpu"]["usageCoreNanoSeconds"] / 1e9, at
    yield f"{kind}_memory_working_set_bytes", labels, float(what["memory"]["workingSetBytes"]), at
