"""One cluster on a Docker engine of its own for the tests of the folder, and a namespace for each of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.docker_cluster.cluster import DockerCluster, Space, cluster_in_a_lab
from tests.kactl_cluster import until

_numbers = itertools.count(1)

# What an administrator allows his users.
CONFIG = """
mode: embedded
runtime: docker
apiServer: {port: 0, grpcPort: 0, tokenPort: 0, allowPrivileged: true}
workers: {allowedUnsafeSysctls: ["kernel.msg*"], containerLogMaxSize: 1Mi, containerLogMaxFiles: 6}
"""


@pytest.fixture(scope="package")
def cluster() -> Iterator[DockerCluster]:
    """Tests that stop or kill it make their own."""
    with cluster_in_a_lab(CONFIG) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def space(cluster: DockerCluster) -> Iterator[Space]:
    """A namespace, gone after the test with everything in it. Whatever its pods leave on the machine is a failure."""
    name = f"test-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    space = Space(cluster, name)
    until(lambda: space.kubectl("get", "serviceaccount", "default"), "the namespace has its account")
    yield space
    cluster.kubectl("delete", "namespace", name, "--timeout=90s", seconds=120)
    until(lambda: nothing_left(cluster), seconds=30)


@pytest.fixture
def folder(space: Space) -> Path:
    """A folder of the node, for hostPath volumes; it outlives the pods of the test."""
    path = space.cluster.folder / f"host-{space.name}"
    path.mkdir()
    return path


def nothing_left(cluster: DockerCluster) -> bool:
    left = cluster.leaks()
    assert not left, f"left behind: {left}"
    return True
