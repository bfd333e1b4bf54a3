"""A whole cluster in one process and one event loop, without Ray.

    async with Cluster(nodes=3) as cluster:
        await cluster.client.create(PODS, pod)          # gRPC
        subprocess.run(["kubectl", "--kubeconfig", cluster.kubeconfig, "get", "nodes"])

Without `data_dir` the store is in memory and everything is gone at the end. With it the objects are
there again at the next start. The pods of the docker and process runtimes are ended with the cluster.
"""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import structlog

from kube_actors.aio.collector import Collector
from kube_actors.api.errors import ConfigError
from kube_actors.api.resources import SERVICE_ACCOUNTS
from kube_actors.cluster import logs, sweep, wiring
from kube_actors.cluster.config import (
    MAX_REAL_NODES,
    ApiServerSection,
    ClusterConfig,
    StoreSection,
    WorkersSection,
    check,
)
from kube_actors.cluster.etcd import external
from kube_actors.cluster.group import Component, Group, start_together
from kube_actors.cluster.kubeconfig import Kubeconfig
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import Pki
from kube_actors.cluster.plan import MASTER, ClusterPlan
from kube_actors.cluster.readiness import nodes_ready
from kube_actors.node.fleet import Fleet
from kube_actors.node.runtime.simulated import SimulatedConfig, read_config

if TYPE_CHECKING:
    from kube_actors.client.client import KubeClient

log = structlog.get_logger(__name__)

# A socket's path may have 107 bytes, and the store's stands below the data folder.
LONGEST_SOCKET_PATH = 100
READY_SECONDS = 60.0
# For each node besides, of those that are many.
READY_SECONDS_A_NODE = 0.1


class Cluster:
    """Start it with `async with`, or with `start()` and `stop()`, in the loop that is to run it.

    Ready means: the API server serves, every node is Ready, the default service account exists.
    """

    def __init__(
        self,
        nodes: int = 1,
        runtime: str = "simulated",
        data_dir: Path | str | None = None,
        api_port: int = 0,
        *,
        host: str = "127.0.0.1",
        name: str = "embedded",
        kubeconfig: Path | str | None = None,
        simulated: SimulatedConfig | Mapping[str, Any] | None = None,
        config: ClusterConfig | None = None,
    ) -> None:
        """`config` replaces the other choices but for `data_dir` and `kubeconfig`. Raises ConfigError.

        `simulated` says how containers of the simulated runtime behave; a mapping as in a config file.
        """
        if not isinstance(simulated, SimulatedConfig):
            simulated = read_config(simulated or {}, "simulated")
        self._config = config or ClusterConfig(
            name=name,
            mode="embedded",
            runtime=runtime,
            api_server=ApiServerSection(host=host, port=api_port, grpc_port=0, token_port=0),
            store=StoreSection(durable=data_dir is not None),
            workers=WorkersSection(count=nodes),
            simulated=simulated,
        )
        check(self._config, "cluster")
        self._data_dir = Path(data_dir).absolute() if data_dir is not None else None
        self._scratch: Path | None = None
        self._kubeconfig = Path(kubeconfig).absolute() if kubeconfig is not None else None
        self._groups: list[Group] = []
        self._plan: ClusterPlan | None = None
        self._client: KubeClient | None = None
        self._collector = Collector()
        self.runtime = ""
        self.rest_url = ""
        self.grpc_address = ""
        self.token_address = ""
        self.token = ""

    @property
    def plan(self) -> ClusterPlan:
        """The addresses and names in use."""
        if self._plan is None:
            raise RuntimeError("the cluster has not been started")
        return self._plan

    @property
    def client(self) -> KubeClient:
        """An administrator's client."""
        if self._client is None:
            raise RuntimeError("the cluster has not been started")
        return self._client

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig's path; the file is there once the cluster runs."""
        return self._kubeconfig or self.plan.paths.kubeconfig

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, *, ready: bool = True) -> None:
        """Returns when the cluster is ready; with `ready=False`, when the API server serves."""
        logs.leave_to_logging()
        if self._config.workers.count > MAX_REAL_NODES:
            self._collector.start()
        try:
            await self._start()
            if ready:
                await self._ready_in_time()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything in order: nodes first, the store last. Idempotent."""
        groups, self._groups = self._groups[::-1], []
        nodes = [group for group in groups if group.name == "nodes" or group.name.startswith("node ")]
        await asyncio.gather(*(group.stop() for group in nodes))
        for group in groups:
            await group.stop()
        if nodes:
            for problem in await sweep.sweep(self.plan):
                log.warning("left behind", what=problem)
        self._collector.stop()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def components(self, group: str) -> Sequence[Component]:
        """The running objects of a component: `store`, `apiserver`, `scheduler`, `controller-manager`, `node NAME`,
        or of a simulated cluster `nodes`."""
        return next((each.members for each in self._groups if each.name == group), ())

    async def restart(self, component: str) -> None:
        """Stop a component and start it anew at its old address; for tests of software that must bear that.

        `apiserver`, `scheduler`, `controller-manager` or a node's name. Simulated pods of a node start again, as
        after a reboot. Raises KeyError for a component that there is not.
        """
        for member in self.components("nodes"):
            if isinstance(member, Fleet) and component in member.agents:
                await member.end(component)
                await member.begin(component)
                return
        makers = self._makers()
        make = makers[component]
        index = next(i for i, group in enumerate(self._groups) if group.name in (component, f"node {component}"))
        await self._groups[index].stop()
        self._groups[index] = make()
        await self._groups[index].start()

    def _makers(self) -> dict[str, Callable[[], Group]]:
        """How each component is made, by the name that `restart` takes."""
        pki = Pki.open(self.plan.paths.pki)
        nodes = {node.name: partial(wiring.node, self.plan, pki, node) for node in self.plan.nodes}
        if self.runtime == "simulated":
            nodes = {"nodes": partial(wiring.fleet, self.plan, pki)}
        return {
            "apiserver": lambda: wiring.api_server(self.plan, pki, store_tls=wiring.store_client_tls(self.plan, pki))[
                0
            ],
            "scheduler": partial(wiring.scheduler, self.plan, pki),
            "controller-manager": partial(wiring.controller_manager, self.plan, pki, MASTER),
            **nodes,
        }

    async def wait_ready(self) -> None:
        """Until every node takes pods, and pods can be created in the default namespace."""
        await nodes_ready(self.client, {node.name for node in self.plan.nodes})
        async for events in self.client.watch(SERVICE_ACCOUNTS, "default", send_initial_events=True):
            if any(e.type != "BOOKMARK" and e.object["metadata"]["name"] == "default" for e in events):
                break

    async def _ready_in_time(self) -> None:
        try:
            seconds = ready_seconds(len(self.plan.nodes))
            async with asyncio.timeout(seconds):
                await self.wait_ready()
        except TimeoutError:
            raise ConfigError(
                f"the cluster's nodes did not become Ready within {seconds:.0f} s; its log says why"
            ) from None

    async def _start(self) -> None:
        paths = self._folders()
        pki = Pki.open(paths.pki)
        self.runtime = wiring.resolve_runtime(self._config.runtime)
        first = wiring.make_plan(self._config, paths, self.runtime, embedded=True)
        if len(first.store_address) > LONGEST_SOCKET_PATH:
            first = dataclasses.replace(first, store_address=f"unix:{self._temporary() / 'store.sock'}")
        if first.external is None:
            await self._run(wiring.store(first, pki))
        else:
            await external.check(first.external)
        group, server = wiring.api_server(first, pki, store_tls=wiring.store_client_tls(first, pki))
        await self._run(group)
        self._plan = dataclasses.replace(
            first,
            rest_port=server.rest_port,
            grpc_address=server.grpc_addresses[0],
            token_address=server.grpc_addresses[1],
        )
        await self._open_doors(pki)
        parts = [make() for name, make in self._makers().items() if name != "apiserver"]
        self._groups += parts
        await start_together(parts)

    async def _run(self, group: Group) -> None:
        self._groups.append(group)
        await group.start()

    async def _open_doors(self, pki: Pki) -> None:
        """What users come in by: the client, the kubeconfig, the token."""
        self.rest_url = f"https://{self.plan.server_host}:{self.plan.rest_port}"
        self.grpc_address = wiring.reachable(self.plan.grpc_address)
        self.token_address = wiring.reachable(self.plan.token_address)
        self.token = self.plan.paths.read_or_make_token(self.plan.paths.token)
        self._client = wiring.client(self.plan, pki, wiring.ADMIN, (wiring.MASTERS_GROUP,), agent="kube-actors")
        await self._run(Group("client", [self._client]))
        write_kubeconfig(self.plan, pki, self.kubeconfig)

    def _folders(self) -> ClusterPaths:
        paths = ClusterPaths(self._data_dir or self._temporary())
        paths.make()
        return paths

    def _temporary(self) -> Path:
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="kube-actors-"))
        return self._scratch


def ready_seconds(nodes: int) -> float:
    """How long that many nodes may take until all are Ready."""
    return READY_SECONDS + READY_SECONDS_A_NODE * nodes


def write_kubeconfig(plan: ClusterPlan, pki: Pki, path: Path) -> None:
    """Write an administrator's kubeconfig for the plan's addresses."""
    admin = pki.issue(wiring.ADMIN, (wiring.MASTERS_GROUP,))
    Kubeconfig(
        cluster=plan.name,
        server=f"https://{plan.server_host}:{plan.rest_port}",
        ca=pki.ca,
        user=wiring.ADMIN,
        certificate=admin.certificate,
        key=admin.key,
        grpc=wiring.reachable(plan.grpc_address),
    ).write(path)
