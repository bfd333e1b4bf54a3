"""kactl demo: a cluster, a Deployment behind a Service, and a page fetched from it."""

from __future__ import annotations

import argparse
import time
import urllib.error
import urllib.request
from pathlib import Path

from kube_actors.api.resources import SERVICES
from kube_actors.cluster import loop, paths, record
from kube_actors.cluster.record import RUNNING, ClusterRecord

from . import parser, session, up
from .failure import Failure
from .progress import Progress

NAMESPACE = "demo"
IMAGE = "kube-actors/python:3"
FETCH_SECONDS = 30.0
HERE = Path(__file__).parent
# In a checkout, and in an installed package.
FOLDERS = (HERE.parent / "cluster_configs", HERE / "configs")


def run(arguments: argparse.Namespace) -> int:
    """Every step is a command that the user could have typed; they are shown."""
    manifest = _manifest()
    cluster = session.cluster_name(arguments)
    found = _cluster(arguments, cluster)
    if found.plan.runtime == "docker":
        with Progress("Making an image of this machine's Python", steps=True):
            loop.run(_make_image())
    _kactl(cluster, "apply", "-f", str(manifest))
    _kactl(cluster, "rollout", "status", "deployment/web", "-n", NAMESPACE, "--timeout", "180s")
    _kactl(cluster, "get", "all", "-n", NAMESPACE)
    if found.plan.runtime != "simulated":
        address = loop.run(_service_address(arguments))
        print(f"\n$ curl {address}\n{_fetch(address)}", flush=True)
    up.announce(found)
    print("\nThe cluster stays up; 'kactl down' ends it.")
    return 0


def _cluster(arguments: argparse.Namespace, name: str) -> ClusterRecord:
    """The cluster that runs, or a new one."""
    found = record.read(paths.of_cluster(name))
    if found is not None and found.phase == RUNNING and found.live:
        return found
    flags = ["--runtime", arguments.runtime] if arguments.runtime else []
    return up.start(up.choose(parser.build().parse_args(["up", "--cluster", name, *flags])))


def _kactl(cluster: str, *words: str) -> None:
    """Run a command of ours and show it. Raises Failure where it does not succeed."""
    from .main import run_parsed

    print(f"\n$ kactl {' '.join(words)}", flush=True)
    arguments = parser.build().parse_args([*words, "--cluster", cluster])
    if run_parsed(arguments) != 0:
        raise Failure(f"error: 'kactl {' '.join(words)}' failed")


def _manifest() -> Path:
    for folder in FOLDERS:
        if (folder / "demo.yaml").exists():
            return folder / "demo.yaml"
    raise Failure(f"error: demo.yaml is missing in {FOLDERS[0]}")


async def _make_image() -> None:
    from kube_actors.cluster.images import make_python_image

    await make_python_image(IMAGE)


async def _service_address(arguments: argparse.Namespace) -> str:
    async with session.client(argparse.Namespace(cluster=arguments.cluster, kubeconfig=None)) as client:
        service = await client.get(SERVICES, "web", NAMESPACE)
    return f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}/"


def _fetch(address: str) -> str:
    """The page; the Service may need a moment until its packets find the way."""
    # Cluster addresses never go through a proxy of the environment.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + FETCH_SECONDS
    with Progress(f"Fetching {address}"):
        while True:
            try:
                with opener.open(address, timeout=3) as answer:
                    return str(answer.read().decode())
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > deadline:
                    raise Failure(f"error: {address} does not answer: {error}") from error
                time.sleep(0.2)
