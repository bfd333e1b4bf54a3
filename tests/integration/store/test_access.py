"""Who may use the store: of all the certificates of a cluster's CA, those it was told of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kube_actors.api.errors import KubeActorsError
from kube_actors.cluster.pki import STORE, Pki
from kube_actors.rpc.server import Listener
from kube_actors.store.client import StoreClient
from kube_actors.store.server import StoreConfig, StoreServer


async def test_a_node_s_certificate_does_not_open_the_store(tmp_path: Path) -> None:
    pki = Pki.open(tmp_path)
    listener = Listener("127.0.0.1:0", pki.server_tls(STORE, ("127.0.0.1",)))
    server = StoreServer(StoreConfig((listener,), users=frozenset({"api"})))
    await server.start()
    api = StoreClient(server.addresses, pki.client_tls("api", (), STORE))
    node = StoreClient(server.addresses, pki.client_tls("system:node:n1", ("system:nodes",), STORE), patience=60)
    await api.start()
    await node.start()
    try:
        await api.put(b"/registry/secrets/a/b", b"secret")
        with pytest.raises(KubeActorsError, match="may not use"):
            await node.get(b"/registry/secrets/a/b")
        # A refusal is no outage: nobody waits for the end of the client's patience, the second time neither.
        for _ in range(2):
            async with asyncio.timeout(5):
                with pytest.raises(KubeActorsError, match="may not use"):
                    await node.put(b"/registry/secrets/a/b", b"other")
        watch = node.watch(b"/registry/", 1)
        with pytest.raises(KubeActorsError, match="may not use"):
            await anext(watch)
        await watch.aclose()
        found, _ = await api.get(b"/registry/secrets/a/b")
        assert found is not None
        assert found.value == b"secret"
    finally:
        await node.stop()
        await api.stop()
        await server.stop()
