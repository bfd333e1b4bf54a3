"""A store in memory and an API server on loopback, and kubectl with a kubeconfig of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from kube_actors.apiserver.config import ApiServerConfig, StaticToken
from kube_actors.apiserver.server import ApiServer
from kube_actors.client.client import KubeClient
from kube_actors.cluster.pki import Pki
from kube_actors.rpc.server import Listener
from kube_actors.store.server import StoreConfig, StoreServer

NAME = "apiserver.kube-actors"
TOKEN = "integration-test-token"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """What a test may reach for."""

    api: ApiServer
    pki: Pki
    folder: Path
    store: StoreServer
    config: ApiServerConfig

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.api.rest_port}"

    def client(self, user: str = "kubernetes-admin", groups: tuple[str, ...] = ("system:masters",)) -> KubeClient:
        return KubeClient(self.api.grpc_addresses[:1], self.pki.client_tls(user, groups, NAME))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    pki = Pki.open(tmp_path / "pki")
    tls = pki.server_tls(NAME, ["127.0.0.1"])
    store = StoreServer(StoreConfig(listeners=(Listener("127.0.0.1:0"),)))
    await store.start()
    config = ApiServerConfig(
        store_addresses=store.addresses,
        grpc_listeners=(Listener("127.0.0.1:0", tls), Listener("127.0.0.1:0", tls, client_certificates=False)),
        rest_host="127.0.0.1",
        rest_port=0,
        rest_tls=tls,
        tokens=(StaticToken(TOKEN, "admin", groups=("system:masters",)), StaticToken("weak", "jane")),
        node_tls=pki.client_tls("kube-apiserver-kubelet-client", ("system:masters",), "node.kube-actors"),
        proxy_tls=pki.client_tls("front-proxy-client"),
        service_cidr="127.96.0.0/12",
    )
    api = ApiServer(config)
    await api.start()
    yield Server(api, pki, tmp_path, store, config)
    await api.stop()
    await store.stop()


@pytest.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with the administrator's token."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=server.pki.ca.decode()))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(server.url, headers=headers, connector=connector) as session:
        yield session


async def ask(http: aiohttp.ClientSession, method: str, path: str, **options: Any) -> tuple[int, Any]:
    """The status and the body, read where it is JSON."""
    async with http.request(method, path, **options) as response:
        body = await response.read()
        return response.status, json.loads(body) if "json" in response.content_type else body.decode()


@asynccontextmanager
async def serving(server: Server, handler: Handler, host: str, *, front_proxy: bool = False) -> AsyncIterator[int]:
    """An HTTPS server of a test's own, with a certificate that the cluster's authority signed; its port.

    With `front_proxy` a client has to show a certificate.
    """
    tls = server.pki.server_tls(host, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = server.folder / "extension.pem"
    pair.write_bytes(tls.key + b"\n" + tls.certificate)
    context.load_cert_chain(pair)
    if front_proxy:
        context.load_verify_locations(cadata=server.pki.ca.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
def run_kubectl(server: Server):
    """Runs kubectl against the server; answers its output, and fails with what it complains about."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not on the PATH")
    config = server.folder / "kubeconfig"
    authority = server.folder / "ca.crt"
    authority.write_bytes(server.pki.ca)
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": server.url, "certificate-authority": str(authority)}}],
                "users": [{"name": "u", "user": {"token": TOKEN}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )

    async def run(*args: str, stdin: str = "", fails: bool = False, shown: str = "") -> str:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--kubeconfig={config}",
            f"--cache-dir={server.folder / 'cache'}",
            *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            output, complaints = await process.communicate(stdin.encode())
        assert (process.returncode != 0) == fails, complaints.decode()
        return (complaints if fails and shown != "output" else output).decode()

    return run
