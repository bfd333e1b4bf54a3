"""One class a component. Their names are what Ray's dashboard and `ray list actors` show."""

from __future__ import annotations

from kube_actors.cluster import wiring
from kube_actors.cluster.actors.base import ComponentActor
from kube_actors.cluster.group import Group
from kube_actors.cluster.lost_nodes import RAY_HOST
from kube_actors.cluster.pki import Authority


class Store(ComponentActor):
    """The embedded store behind etcd's API.

    Crash contract. Durable: every write that was acknowledged (fsync before the answer). Rebuilt: the
    watch buffer; watchers resume from their revision. A failed write means "maybe": the API server's
    compare on the revision makes its repetition safe.
    """

    component = "store"

    def _make(self, pki: Authority) -> list[Group]:
        return [wiring.store(self._plan, pki)]


class StoreMember(ComponentActor):
    """One member of a real etcd: its process is started, watched, restarted, and replaced without its data.

    Crash contract. Durable: every write that a quorum of the members acknowledged; etcd's process goes on
    running without the actor. Rebuilt: nothing; the next constructor adopts the process by its pid and start
    time, or starts it where it has ended. A failed write means "maybe", as with the embedded store.
    """

    component = "storemember"

    def _make(self, pki: Authority) -> list[Group]:
        return [wiring.store_member(self._plan, pki, self._which)]


class APIServer(ComponentActor):
    """The Kubernetes API over REST and gRPC.

    Crash contract. Durable: nothing of its own, all is in the store. Rebuilt: the watch cache, by a list
    and a watch. A failed write means "maybe"; clients reconnect and watches resume from their resourceVersion.
    """

    component = "apiserver"

    def _make(self, pki: Authority) -> list[Group]:
        tls = wiring.store_client_tls(self._plan, pki)
        return [wiring.api_server(self._plan, pki, store_tls=tls)[0]]


class Scheduler(ComponentActor):
    """Binds pods to nodes.

    Crash contract. Durable: nothing. Rebuilt: nodes, pods and the queue, from the API server. A binding
    whose answer was lost is refused as a conflict when repeated, and the pod is seen as bound.
    """

    component = "scheduler"

    def _make(self, pki: Authority) -> list[Group]:
        return [wiring.scheduler(self._plan, pki)]


class ControllerManager(ComponentActor):
    """The controllers, behind one leader lease.

    Crash contract. Durable: nothing. Rebuilt: caches and queues; every controller plans from what it
    observes, so a half-done plan is finished, not repeated. Beside them it removes nodes that have left Ray.
    """

    component = "controller-manager"

    def _make(self, pki: Authority) -> list[Group]:
        from kube_actors.cluster.ray_actors import alive_hosts

        controllers = wiring.controller_manager(self._plan, pki, self._node)
        lost = wiring.lost_nodes(self._plan, pki, lambda: [host.address for host in alive_hosts()])
        return [controllers, lost]


class NodeAgent(ComponentActor):
    """A node: pod workers, runtime, status and lease; the service proxy on the first one of a machine.

    With the simulated runtime one actor is all the nodes. Crash contract. Durable: the runtime's
    containers go on running. Rebuilt: pod workers, which adopt what runs; leases are renewed at once.
    """

    component = "nodeagent"

    def _make(self, pki: Authority) -> list[Group]:
        from ray.util import get_node_ip_address

        here = {RAY_HOST: get_node_ip_address()}
        if self._plan.runtime == "simulated":
            return [wiring.fleet(self._plan, pki, here)]
        (mine,) = [node for node in self._plan.nodes if node.name == self._node]
        return [wiring.node(self._plan, pki, mine, here)]
