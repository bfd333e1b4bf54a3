"""An embedded cluster as a program: on record, so that kactl finds it from another terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kube_actors.cluster import ports, record, sweep, wiring
from kube_actors.cluster.config import ClusterConfig
from kube_actors.cluster.embedded import Cluster
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.processes import this_process
from kube_actors.cluster.record import RUNNING, ClusterRecord, refuse_if_running


class EmbeddedRun:
    """Start, and stop with everything gone. Hold `record.exclusive` meanwhile."""

    def __init__(self, config: ClusterConfig, paths: ClusterPaths, data: Path | None, kubeconfig: Path | None) -> None:
        self._config = config
        self._paths = paths
        self._data = data
        self._kubeconfig = kubeconfig or paths.kubeconfig
        self._cluster: Cluster | None = None
        self._record: ClusterRecord | None = None

    @property
    def record(self) -> ClusterRecord:
        if self._record is None:
            raise RuntimeError("the cluster has not been started")
        return self._record

    async def start(self, note: Callable[[str], None]) -> None:
        """Raises ConfigError in one line."""
        refuse_if_running(self._paths)
        await self._clear_leftovers(note)
        server = self._config.api_server
        wanted = {"--api-port": server.port, "grpcPort": server.grpc_port, "tokenPort": server.token_port}
        ports.require_free(server.host, wanted)
        self._cluster = Cluster(config=self._config, data_dir=self._data, kubeconfig=self._kubeconfig)
        await self._cluster.start()
        self._record = ClusterRecord(
            name=self._config.name,
            mode="embedded",
            phase=RUNNING,
            owner=this_process(),
            plan=self._cluster.plan,
            kubeconfig=str(self._kubeconfig),
        )
        record.write(self._paths, self._record)

    async def stop(self) -> None:
        if self._cluster is not None:
            await self._cluster.stop()
        if self._record is not None:
            record.remove(self._paths)

    async def _clear_leftovers(self, note: Callable[[str], None]) -> None:
        """What a killed cluster of this name has left: pods that nobody looks after, unless this one does."""
        found = record.read(self._paths)
        if found is None or self._goes_on(found):
            return
        if found.ray is not None:
            from kube_actors.cluster import ray_process

            ray_process.stop(found.ray)
        for problem in await sweep.sweep(found.plan):
            note(f"Left behind: {problem}")
        record.remove(self._paths)

    def _goes_on(self, found: ClusterRecord) -> bool:
        if found.ray is not None or self._data is None or not self._data.is_dir():
            return False
        runtime = wiring.resolve_runtime(self._config.runtime)
        mine = wiring.make_plan(self._config, ClusterPaths(self._data.absolute()), runtime, embedded=True)
        return mine.continues(found.plan)
