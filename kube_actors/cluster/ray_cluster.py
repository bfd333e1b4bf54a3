"""A cluster on a Ray of its own on this machine: start it, end it, say how it is.

    up      record "starting" -> start Ray -> actors, all at once -> nodes Ready -> kubeconfig -> record "running"
    down    supervisor leaves them alone -> drain nodes ... store -> kill actors -> end that Ray -> sweep -> no record

Whatever kills `up` half-way, the record says what had been started, and the next `up` or `down` ends it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kube_actors.api.errors import ConfigError
from kube_actors.api.meta import is_true, name_of
from kube_actors.api.resources import NODES
from kube_actors.cluster import loop, ports, ray_process, record, sweep, wiring
from kube_actors.cluster.config import ClusterConfig
from kube_actors.cluster.desired import SUPERVISOR, ActorSpec, Health, Observed, desired_actors
from kube_actors.cluster.embedded import write_kubeconfig
from kube_actors.cluster.etcd import external, layout
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import Pki
from kube_actors.cluster.plan import ClusterPlan, plan
from kube_actors.cluster.processes import this_process
from kube_actors.cluster.record import RUNNING, STARTING, STOPPING, ClusterRecord

if TYPE_CHECKING:
    from kube_actors.cluster.etcd.status import MemberReport

# What the caller shows: what is happening now.
Report = Callable[[str], None]

ACTORS_SECONDS = 120.0
NODES_SECONDS = 60.0
ROUND_SECONDS = 0.3
DRAIN_SECONDS = 15.0
STATUS_SECONDS = 5.0


def up(config: ClusterConfig, paths: ClusterPaths, report: Report, note: Report) -> ClusterRecord:
    """Start the cluster. `report` gets what happens now, `note` what stays true.

    Raises ConfigError in one line; nothing that was started stays behind then.
    """
    record.refuse_if_running(paths)
    with record.exclusive(paths):
        record.refuse_if_running(paths)
        clear_leftovers(paths, report, note)
        ray_process.require_ray()
        resolved = _plan(config, paths)
        if config.runtime == "auto" and resolved.runtime == "process":
            note("No Docker engine answers here: containers run as plain processes (runtime process)")
        mine = ClusterRecord(config.name, "ray", STARTING, this_process(), resolved)
        record.write(paths, mine)
        try:
            return _start(mine, config, paths, report)
        except BaseException:
            report("Cleaning up")
            _end(record.read(paths) or mine, paths, report, note)
            raise


def down(paths: ClusterPaths, report: Report, note: Report) -> bool:
    """End the cluster; False where there is none."""
    with record.exclusive(paths):
        found = record.read(paths)
        if found is None:
            return False
        _end(found, paths, report, note)
        return True


def clear_leftovers(paths: ClusterPaths, report: Report, note: Report) -> None:
    """End what a killed `up`, a killed `down` or a crash has left."""
    found = record.read(paths)
    if found is not None:
        report("Clearing away what an earlier cluster left")
        _end(found, paths, report, note)


def status(found: ClusterRecord) -> list[tuple[ActorSpec, Observed]]:
    """How each actor is, by the supervisor; asked directly where the supervisor is away."""
    assert found.ray is not None
    ray_process.connect(found.plan.paths, found.ray)
    # Only now: ray reads its environment, which `connect` sets, when it is imported.
    from kube_actors.cluster.ray_actors import RayActors

    try:
        actors = RayActors(found.plan)
        answer = actors.supervisor_status(STATUS_SECONDS)
        if answer is not None:
            return answer
        specs = desired_actors(found.plan)
        seen = actors.observe(specs, STATUS_SECONDS)
        return [(spec, seen[spec.name]) for spec in specs]
    finally:
        ray_process.disconnect()


def store_status(found: ClusterRecord) -> list[MemberReport]:
    """How the members of the store are; nothing of the embedded engine, which is an actor like the others."""
    names = {member.address: member.name for member in found.plan.etcd.members} if found.plan.etcd else {}
    if not names and found.plan.external is None:
        return []
    from kube_actors.cluster.etcd.status import report

    addresses = {address: names.get(address, "") for address in found.plan.store_addresses}
    return loop.run(report(addresses, wiring.store_client_tls(found.plan, Pki.open(found.plan.paths.pki))))


def _plan(config: ClusterConfig, paths: ClusterPaths) -> ClusterPlan:
    """The plan with every port decided and free."""
    server, store = config.api_server, config.store
    wanted = (server.port, server.grpc_port, server.token_port, store.port)
    spare = iter(ports.free_ports(4, avoid=wanted))
    rest, grpc, token, store_port = (port or next(spare) for port in wanted)
    ports.require_free(server.host, {"apiServer.port": rest, "apiServer.grpcPort": grpc, "apiServer.tokenPort": token})
    layout.refuse_other_engine(paths, store)
    etcd = layout.choose(paths, store, ray_process.HOST) if store.member_count else None
    if etcd is None and not store.endpoints:
        ports.require_free(ray_process.HOST, {"store.port": store_port})
    decided = config.replace(
        api_server=dataclasses.replace(server, port=rest, grpc_port=grpc, token_port=token),
        store=dataclasses.replace(store, port=store_port),
    )
    runtime = wiring.resolve_runtime(config.runtime)
    made = plan(decided, paths, runtime, embedded=False, kernel_services=wiring.kernel_services())
    if made.external is not None:
        loop.run(external.check(made.external))
    return dataclasses.replace(made, etcd=etcd)


def _start(mine: ClusterRecord, config: ClusterConfig, paths: ClusterPaths, report: Report) -> ClusterRecord:
    pki = Pki.open(paths.pki)
    paths.read_or_make_token(paths.token)
    write_kubeconfig(mine.plan, pki, paths.kubeconfig)
    report("Starting Ray")
    prepared = ray_process.prepare(paths, config.ray)
    mine = dataclasses.replace(mine, kubeconfig=str(paths.kubeconfig), ray=prepared.record)
    # On record before it runs: a kill between the two leaves nothing that is not found again.
    record.write(paths, mine)
    mine = dataclasses.replace(mine, ray=ray_process.launch(paths, prepared))
    record.write(paths, mine)
    assert mine.ray is not None
    ray_process.wait_ready(paths, mine.ray)
    ray_process.connect(paths, mine.ray)
    try:
        _start_actors(mine.plan, report)
    finally:
        ray_process.disconnect()
    report("Waiting for nodes")
    loop.run(_nodes_ready(mine.plan, pki))
    if mine.plan.etcd is not None:
        layout.set_formed(paths, mine.plan.etcd)
    mine = dataclasses.replace(mine, phase=RUNNING)
    record.write(paths, mine)
    return mine


def _start_actors(resolved: ClusterPlan, report: Report) -> None:
    """Create all at once and wait until each serves. Raises ConfigError for the first that cannot."""
    from kube_actors.cluster.ray_actors import RayActors

    actors = RayActors(resolved)
    specs = desired_actors(resolved)
    for spec in specs:
        actors.create(spec)
    supervisor = actors.create_supervisor()
    deadline = time.monotonic() + ACTORS_SECONDS
    while True:
        seen = actors.observe(specs, ROUND_SECONDS)
        waiting = [spec for spec in specs if seen[spec.name].health is not Health.RUNNING]
        for spec in waiting:
            if seen[spec.name].error:
                raise ConfigError(f"{spec.name}: {seen[spec.name].error}")
        if not waiting:
            break
        report(f"Starting {', '.join(spec.kind for spec in waiting)}")
        if time.monotonic() > deadline:
            names = ", ".join(spec.name for spec in waiting)
            raise ConfigError(f"{names} did not start within {ACTORS_SECONDS:.0f} s; see {resolved.paths.logs}")
    actors.wait(supervisor, ACTORS_SECONDS)


async def _nodes_ready(resolved: ClusterPlan, pki: Pki) -> None:
    client = wiring.client(resolved, pki, wiring.ADMIN, (wiring.MASTERS_GROUP,), agent="kactl")
    wanted = {node.name for node in resolved.nodes}
    await client.start()
    try:
        async with asyncio.timeout(NODES_SECONDS):
            async for events in client.watch(NODES, send_initial_events=True):
                wanted -= {name_of(e.object) for e in events if e.type != "BOOKMARK" and is_true(e.object, "Ready")}
                if not wanted:
                    return
    except TimeoutError:
        names = ", ".join(sorted(wanted))
        raise ConfigError(f"{names} not Ready within {NODES_SECONDS:.0f} s; see {resolved.paths.logs}") from None
    finally:
        await client.stop()


def _end(found: ClusterRecord, paths: ClusterPaths, report: Report, note: Report) -> None:
    """In order, and as far as it goes: a step that fails does not keep the later ones from happening."""
    record.write(paths, dataclasses.replace(found, phase=STOPPING))
    if found.ray is not None:
        if found.ray.leader.alive() and found.phase != STARTING:
            _end_actors(found, report)
        report("Stopping Ray")
        ray_process.disconnect()
        ray_process.stop(found.ray)
    report("Removing pods")
    problems = loop.run(sweep.sweep(found.plan))
    for problem in problems:
        note(f"Left behind: {problem}")
    record.remove(paths)


def _end_actors(found: ClusterRecord, report: Report) -> None:
    assert found.ray is not None
    try:
        ray_process.connect(found.plan.paths, found.ray)
    except ConfigError:
        # A Ray that does not answer is ended by its processes.
        return
    from kube_actors.cluster.ray_actors import RayActors

    actors = RayActors(found.plan)
    actors.drain([SUPERVISOR], DRAIN_SECONDS)
    actors.remove([SUPERVISOR])
    for step in _drain_order(desired_actors(found.plan)):
        report(f"Stopping {', '.join(spec.kind for spec in step)}")
        names = [spec.name for spec in step]
        actors.drain(names, DRAIN_SECONDS)
        actors.remove(names)


def _drain_order(specs: Sequence[ActorSpec]) -> list[list[ActorSpec]]:
    """Nodes while the API server still takes their last words; the store last."""
    steps = [("NodeAgent",), ("Scheduler", "ControllerManager"), ("APIServer",), ("Store", "StoreMember")]
    return [chosen for kinds in steps if (chosen := [spec for spec in specs if spec.kind in kinds])]
