"""kactl up: on Ray and detached, or with --embedded in this process until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import signal
import sys
from pathlib import Path
from types import FrameType

from kube_actors.cluster import config as configs
from kube_actors.cluster import loop, paths, record
from kube_actors.cluster.config import ClusterConfig
from kube_actors.cluster.record import ClusterRecord

from . import session
from .failure import usage
from .progress import Progress


def run(arguments: argparse.Namespace) -> int:
    config = choose(arguments)
    if config.mode == "embedded":
        return loop.run(_embedded(arguments, config))
    if arguments.data:
        raise usage("--data goes with --embedded; a cluster on Ray keeps its state below KUBE_ACTORS_HOME")
    found = start(config)
    if arguments.kubeconfig:
        copy_kubeconfig(found, Path(arguments.kubeconfig).expanduser())
    announce(found)
    return 0


def choose(arguments: argparse.Namespace) -> ClusterConfig:
    """The config of the file and the flags; flags win. Raises ConfigError or Failure."""
    config = configs.load(Path(arguments.file)) if arguments.file else ClusterConfig()
    if arguments.cluster or not arguments.file:
        config = config.replace(name=paths.checked_name(session.cluster_name(arguments)))
    if arguments.embedded and config.mode != "embedded":
        config = config.replace(
            mode="embedded",
            api_server=dataclasses.replace(config.api_server, grpc_port=0, token_port=0),
            store=dataclasses.replace(config.store, durable=bool(arguments.data)),
        )
    if config.mode == "embedded" and arguments.data:
        config = config.replace(store=dataclasses.replace(config.store, durable=True))
    if arguments.api_port is not None:
        config = config.replace(api_server=dataclasses.replace(config.api_server, port=arguments.api_port))
    if arguments.nodes is not None:
        config = config.replace(workers=dataclasses.replace(config.workers, count=arguments.nodes))
    if arguments.runtime:
        config = config.replace(runtime=arguments.runtime)
    configs.check(config, "the command line")
    return config


def start(config: ClusterConfig) -> ClusterRecord:
    """Start a cluster on Ray, with a progress display."""
    from kube_actors.cluster import ray_cluster

    where = paths.of_cluster(config.name)
    interrupted = _listen()
    with Progress("Starting", steps=True) as progress:
        found = ray_cluster.up(config, where, progress.say, progress.note)
        if interrupted:
            # A library took the exception for its own: what could not be cut short is taken back.
            ray_cluster.down(where, progress.say, progress.note)
            raise KeyboardInterrupt
        return found


def _listen() -> list[int]:
    """Ctrl-C, and a kill that can be caught, raise KeyboardInterrupt, and are noted in the result."""
    told: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        raise KeyboardInterrupt

    # Signals are the main thread's.
    with contextlib.suppress(ValueError):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, handle)
    return told


def announce(found: ClusterRecord) -> None:
    """What the user needs to know of a cluster that runs."""
    plan = found.plan
    rows = [
        ("Cluster", f"{found.name} is running"),
        ("Runtime", plan.runtime),
        ("REST", f"https://{plan.server_host}:{plan.rest_port}"),
        ("gRPC", f"{plan.server_host}:{plan.token_address.rpartition(':')[2]} (token: kactl token)"),
        ("Kubeconfig", found.kubeconfig),
    ]
    if found.ray is not None and found.ray.joined:
        rows.append(("Ray", f"{found.ray.address}, which was there before and stays"))
    elif found.ray is not None:
        rows.append(("Ray dashboard", f"{found.ray.dashboard} (token: kactl token --ray)"))
    for name, value in rows:
        print(f"{name + ':':<15}{value}")
    sys.stdout.flush()


def copy_kubeconfig(found: ClusterRecord, target: Path) -> None:
    """Put the kubeconfig where the user wants one, too."""
    from kube_actors.cluster import kubeconfig

    kubeconfig.read(Path(found.kubeconfig)).write(target)


async def _embedded(arguments: argparse.Namespace, config: ClusterConfig) -> int:
    from kube_actors.cluster import logs, runner

    logs.configure(level="WARNING")
    where = paths.of_cluster(config.name)
    record.refuse_if_running(where)
    with record.exclusive(where):
        with Progress("Starting", steps=False) as progress:
            running = runner.EmbeddedRun(
                config,
                where,
                _path(arguments.data),
                _path(arguments.kubeconfig),
            )
            await running.start(progress.note)
        try:
            announce(running.record)
            print("Ctrl-C ends it.", flush=True)
            await until_told()
        finally:
            with Progress("Stopping"):
                await running.stop()
    return 0


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


async def until_told() -> None:
    """Until SIGINT or SIGTERM."""
    told = asyncio.Event()
    current = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        current.add_signal_handler(number, told.set)
    await told.wait()
