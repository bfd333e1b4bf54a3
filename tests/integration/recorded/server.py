"""An API server in the state in which the recorded one was: the corpus of recorded answers is replayed against it.

    python tests/integration/recorded/server.py COMMAND ...     # {server} and {token} stand for its address and token

No scheduler, kubelet or garbage collector; of the controllers only those of namespaces, service accounts and
the root CA. Everything is in memory and in a temporary folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from kube_actors.cluster import logs, wiring
from kube_actors.cluster.config import ApiServerSection, ClusterConfig, NetworkSection, StoreSection
from kube_actors.cluster.group import Group
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import Pki
from kube_actors.cluster.plan import plan
from kube_actors.controllers.config import ControllerConfig
from kube_actors.controllers.manager import ControllerManager
from kube_actors.controllers.namespace.controller import NamespaceController
from kube_actors.controllers.root_ca import RootCAController
from kube_actors.controllers.service_account import ServiceAccountController

RECORDED_WITH = (ServiceAccountController, RootCAController, NamespaceController)


@dataclass(frozen=True, slots=True)
class Serving:
    """Where the server listens, and an administrator's token."""

    url: str
    token: str


@contextlib.asynccontextmanager
async def recorded_server() -> AsyncIterator[Serving]:
    """A server of its own, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="kube-actors-") as scratch:
        paths = ClusterPaths(Path(scratch))
        paths.make()
        pki = Pki.open(paths.pki)
        config = ClusterConfig(
            name="recorded",
            mode="embedded",
            runtime="simulated",
            api_server=ApiServerSection(port=0, grpc_port=0, token_port=0),
            store=StoreSection(durable=False),
            network=NetworkSection(service_cidr="10.96.0.0/16"),
        )
        first = replace(plan(config, paths, "simulated", embedded=True), resource_metrics=False)
        async with contextlib.AsyncExitStack() as stack:

            async def run(group: Group) -> None:
                stack.push_async_callback(group.stop)
                await group.start()

            await run(wiring.store(first, pki))
            store_tls = wiring.store_client_tls(first, pki)
            group, server = wiring.api_server(first, pki, store_tls=store_tls, administrator="admin")
            await run(group)
            running = replace(
                first,
                rest_port=server.rest_port,
                grpc_address=server.grpc_addresses[0],
                token_address=server.grpc_addresses[1],
            )
            kube = wiring.client(running, pki, wiring.CONTROLLER_MANAGER, agent="kube-controller-manager")
            manager = ControllerManager(
                kube, ControllerConfig(root_ca=pki.ca, identity="recorded"), None, RECORDED_WITH
            )
            await run(Group("controller-manager", [kube, manager]))
            await manager.leading()
            url = f"https://{running.server_host}:{running.rest_port}"
            yield Serving(url, paths.read_or_make_token(paths.token))


async def run(command: list[str]) -> int:
    logs.leave_to_logging()
    async with recorded_server() as serving:
        words = [word.format(server=serving.url, token=serving.token) for word in command]
        process = await asyncio.create_subprocess_exec(*words)
        return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1:])))
