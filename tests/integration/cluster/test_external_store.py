"""A cluster on an etcd of somebody else's: used, shown, and left alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube_actors.api.resources import NAMESPACES
from kube_actors.cluster import ports
from kube_actors.cluster.config import parse
from kube_actors.cluster.embedded import Cluster
from kube_actors.cluster.etcd.status import report
from kube_actors.store.client import StoreClient

pytestmark = pytest.mark.skipif(shutil.which("etcd") is None, reason="no etcd on PATH (Debian: etcd-server)")


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Its process and its address."""
    client, peer = (f"127.0.0.1:{port}" for port in ports.free_ports(2))
    with subprocess.Popen(
        ["etcd", "--data-dir", str(tmp_path / "data"), "--logger", "zap", "--log-level", "error",
         "--listen-client-urls", f"http://{client}", "--advertise-client-urls", f"http://{client}",
         "--listen-peer-urls", f"http://{peer}", "--initial-advertise-peer-urls", f"http://{peer}",
         "--initial-cluster", f"default=http://{peer}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        yield process, client
        process.kill()


async def test_an_etcd_that_exists_is_used_and_left_alone(
    etcd: tuple[subprocess.Popen[bytes], str], tmp_path: Path
) -> None:
    process, address = etcd
    client = StoreClient([address], patience=30)
    await client.start()
    await client.put(b"/somebody/else", b"kept")
    config = parse({"mode": "embedded", "store": {"endpoints": [f"http://{address}"]}}, "test")
    async with Cluster(config=config, data_dir=tmp_path / "cluster") as cluster:
        await cluster.client.create(NAMESPACES, {"metadata": {"name": "there"}})
        [member] = await report(dict.fromkeys(cluster.plan.store_addresses, ""), None)
        assert (member.address, member.role, member.healthy) == (address, "leader", True)
    assert process.poll() is None
    assert (await client.range(b"/registry/namespaces/there")).kvs
    assert (await client.get(b"/somebody/else"))[0] is not None
    assert not (tmp_path / "cluster" / "store").exists()
    await client.stop()
