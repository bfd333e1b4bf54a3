"""The node lifecycle controller: keys are nodes; a pass over all of them every few seconds enqueues them."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.errors import NotFound
from kube_actors.api.meta import condition, get_path, is_deleting, labels_of, name_of, uid_of
from kube_actors.api.resources import LEASES, NODES, PODS
from kube_actors.controllers.actions import (
    NORMAL,
    WARNING,
    AllAtOnce,
    PatchObject,
    UpdateStatus,
)
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.indexes import NODE, ON_NODE
from kube_actors.controllers.node_lifecycle import taints
from kube_actors.controllers.node_lifecycle.eviction import pod_not_ready
from kube_actors.controllers.node_lifecycle.health import Health, is_silent, observe, unknown_conditions
from kube_actors.controllers.node_lifecycle.zones import Bucket, Zone, rate, states, zone_of

LEASE_NAMESPACE = "kube-node-lease"
# Labels that a node must have under both its old and its new name.
_RECONCILED_LABELS = (
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
)


class NodeLifecycleController(Controller):
    """Turns silent nodes Unknown after the grace period, taints nodes by their conditions, marks pods not ready."""

    name = "node-lifecycle"
    event_source = "node-controller"
    workers = 8

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.config = context.config.node_lifecycle
        self.nodes = self.informer(NODES)
        self.leases = self.informer(LEASES)
        self.pods = self.informer(PODS, ON_NODE)
        self.health: dict[str, Health] = {}
        self.zones: dict[str, Zone] = {}
        self.zone_sizes: dict[str, int] = {}
        self.buckets: dict[str, Bucket] = {}
        # Nodes that were not ready when all were last looked at, so that the zones' states count them.
        self.unwell: set[str] = set()
        # By node, the change of its Ready condition for which its pods were marked.
        self._marked: dict[str, str] = {}
        self.nodes.add_handler(On(self._node_added, self._node_updated, self._node_deleted))

    def _node_added(self, node: Obj) -> None:
        text = f"Node {name_of(node)} event: Registered Node {name_of(node)} in Controller"
        self.context.recorder.event(_about(node), NORMAL, "RegisteredNode", text)
        self.enqueue(node)

    def _node_updated(self, old: Obj, new: Obj) -> None:
        if old["spec"] != new["spec"] or _statuses(old) != _statuses(new) or labels_of(old) != labels_of(new):
            self.enqueue(new)

    def _node_deleted(self, node: Obj) -> None:
        self.health.pop(name_of(node), None)
        self._marked.pop(name_of(node), None)
        text = f"Node {name_of(node)} event: Removing Node {name_of(node)} from Controller"
        self.context.recorder.event(_about(node), NORMAL, "RemovingNode", text)

    async def run(self) -> None:
        """Look at every node, again and again: silence has no event."""
        await self.every(self.config.monitor_period, self.look)

    async def look(self) -> None:
        """Note each node's signs of life and the zones' states; enqueue the nodes for which something follows."""
        now = self.clock.now()
        nodes = self.nodes.list()
        self.zones = states(nodes, self.config)
        sizes: dict[str, int] = {}
        for node in nodes:
            sizes[zone_of(node)] = sizes.get(zone_of(node), 0) + 1
            health = self._observe(node, now)
            if self._is_silent(health, node, now) or taints.health_taint(node) is not None:
                self.enqueue(node)
        self.zone_sizes = sizes
        self.unwell = {name_of(node) for node in nodes if taints.health_taint(node) is not None}

    def _observe(self, node: Obj, now: float) -> Health:
        lease = self.leases.get(f"{LEASE_NAMESPACE}/{name_of(node)}")
        health = self.health[name_of(node)] = observe(self.health.get(name_of(node)), node, lease, now)
        return health

    def _is_silent(self, health: Health, node: Obj, now: float) -> bool:
        config = self.config
        return is_silent(health, node, config.monitor_grace_seconds, config.startup_grace_seconds, now)

    async def sync(self, key: str) -> None:
        node = self.nodes.get(key)
        if node is None:
            return
        now = self.clock.now()
        health = self._observe(node, now)
        if self._is_silent(health, node, now):
            node = await self._give_up(key, node, now)
        await self._label(key, node)
        await self._mark_pods(key, node, now)
        await self._taint(key, node, now)

    async def _give_up(self, key: str, node: Obj, now: float) -> Obj:
        """Nobody vouches for the node: its conditions are Unknown."""
        status = node.get("status") or {}
        unknown = unknown_conditions(node, now)
        if unknown == status.get("conditions"):
            return node
        report = await self.perform(key, [UpdateStatus(NODES, node | {"status": status | {"conditions": unknown}})])
        report.raise_error()
        if (condition(node, "Ready") or {}).get("status") == "True":
            text = f"Node {key} status is now: NodeNotReady"
            self.context.recorder.event(_about(node), NORMAL, "NodeNotReady", text)
        return report.results[0]

    async def _label(self, key: str, node: Obj) -> None:
        labels = labels_of(node)
        missing = {
            old: labels[new] for old, new in _RECONCILED_LABELS if labels.get(new) not in (None, labels.get(old))
        }
        if missing:
            (await self.perform(key, [PatchObject(NODES, "", key, {"metadata": {"labels": missing}})])).raise_error()

    async def _mark_pods(self, key: str, node: Obj, now: float) -> None:
        """Pods of a node that was given up are not ready either: a node that says itself that it is not ready still
        speaks for its pods. Once a change, or a node agent that still runs and this would write against each other."""
        ready = condition(node, "Ready") or {}
        change = str(ready.get("lastTransitionTime") or "")
        if taints.health_taint(node) != taints.UNREACHABLE or self._marked.get(key) == change:
            return
        marks = [mark for pod in self.pods.by_index(NODE, key) for mark in pod_not_ready(pod, now)]
        report = await self.perform(key, [AllAtOnce(tuple(marks))])
        for pod in report.results:
            self.context.recorder.event(pod, WARNING, "NodeNotReady", "Node is not ready")
        errors = [each.error for each in report.outcomes if each.error and not isinstance(each.error, NotFound)]
        if errors:
            raise errors[0]
        self._marked[key] = change

    async def _taint(self, key: str, node: Obj, now: float) -> None:
        if is_deleting(node):
            return
        wanted = taints.no_schedule(node, now)
        marked = node | {"spec": node["spec"] | {"taints": wanted}}
        bad = taints.health_taint(node)
        wanted = taints.no_execute(marked, self._eviction_taint(key, node, bad, now), now)
        if wanted == taints.taints_of(node):
            return
        metadata = {"uid": uid_of(node), "resourceVersion": node["metadata"].get("resourceVersion")}
        patch = {"metadata": metadata, "spec": {"taints": wanted or None}}
        (await self.perform(key, [PatchObject(NODES, "", key, patch)])).raise_error()

    def _eviction_taint(self, key: str, node: Obj, bad: str | None, now: float) -> str | None:
        """Which NoExecute taint of health the node should have now.

        Taking it away is always right. Putting it is up to the zone; where no zone is well none is put, and
        those that are there go, for then it is more likely that we are cut off than that all nodes died.
        """
        present = {str(each["key"]) for each in taints.taints_of(node) if each.get("effect") == taints.NO_EXECUTE}
        mine = present & {taints.NOT_READY, taints.UNREACHABLE}
        if condition(node, "Ready") is None:
            return next(iter(mine), None)
        if bad is None or (self.zones and all(state is Zone.FULL for state in self.zones.values())):
            return None
        if mine:
            # Already being evicted: the other taint takes the place of this one, at no charge.
            return bad
        zone = zone_of(node)
        allowed = rate(self.zones.get(zone, Zone.NORMAL), self.zone_sizes.get(zone, 1), self.zones, self.config)
        if key in self.unwell and self.buckets.setdefault(zone, Bucket()).take(allowed, now):
            return bad
        return None


def _statuses(node: Obj) -> list[tuple[str, str]]:
    """Conditions without their heartbeats."""
    listed = get_path(node, "status", "conditions", default=[])
    return [(str(each.get("type")), str(each.get("status"))) for each in listed]


def _about(node: Obj) -> Obj:
    """What events about the node refer to: it, at no version of it."""
    metadata = {"name": name_of(node), "uid": uid_of(node)}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
