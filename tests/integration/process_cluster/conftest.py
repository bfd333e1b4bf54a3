"""One cluster of root's on plain processes for the tests of the folder that need no other, a namespace for each."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.docker_cluster.cluster import Space
from tests.integration.process_cluster.cluster import ProcessCluster
from tests.kactl_cluster import until

_numbers = itertools.count(1)


@pytest.fixture(scope="package", autouse=True)
def kubectl() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")


@pytest.fixture(scope="package")
def cluster() -> Iterator[ProcessCluster]:
    """Tests that stop or kill it make their own."""
    with running(ProcessCluster(name="shared")) as cluster:
        yield cluster


class running:
    """A cluster that runs, and at the end has left nothing on the machine."""

    def __init__(self, cluster: ProcessCluster) -> None:
        self._cluster = cluster

    def __enter__(self) -> ProcessCluster:
        try:
            self._cluster.start()
        except BaseException:
            self._cluster.close()
            raise
        return self._cluster

    def __exit__(self, *_: object) -> None:
        try:
            self._cluster.stop()
            until(lambda: not self._cluster.processes(), f"all has ended: {self._cluster.processes()}", 20)
            assert self._cluster.cgroups() == []
        finally:
            self._cluster.close()


@pytest.fixture
def space(cluster: ProcessCluster) -> Iterator[Space]:
    """A namespace, gone after the test with everything in it."""
    with namespace(cluster) as space:
        yield space


class namespace:
    """A namespace with its account; at the end nothing of its pods is left."""

    def __init__(self, cluster: ProcessCluster) -> None:
        self._cluster = cluster
        self._space = Space(cluster, f"test-{next(_numbers)}")  # type: ignore[arg-type]

    def __enter__(self) -> Space:
        self._cluster.kubectl("create", "namespace", self._space.name)
        until(lambda: self._space.kubectl("get", "serviceaccount", "default"), "the namespace has its account")
        return self._space

    def __exit__(self, *_: object) -> None:
        self._cluster.kubectl("delete", "namespace", self._space.name, "--timeout=90s", seconds=120)
        pods = self._cluster.node_folder / "pods"
        until(lambda: not pods.exists() or not list(pods.iterdir()), "the pods' folders are gone", 30)


def needs_root() -> pytest.MarkDecorator:
    return pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """For everybody to read, which pytest's own folders are not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)
