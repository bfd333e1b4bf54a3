"""A cluster on Ray: start it, end it, say how it is.

    up      record "starting" -> start or join Ray -> actors, all at once -> nodes Ready -> kubeconfig -> "running"
    down    supervisor leaves them alone -> drain nodes ... store -> kill actors -> end that Ray -> sweep -> no record

On a Ray that was there before, this machine is the master: it has the cluster's folder and all components but
the store's members, which are spread over the Ray nodes. That Ray stays when the cluster ends.

Whatever kills `up` half-way, the record says what had been started, and the next `up` or `down` ends it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import kube_actors
from kube_actors.api.errors import ConfigError
from kube_actors.cluster import loop, ports, ray_process, record, sweep, wiring
from kube_actors.cluster.config import ClusterConfig
from kube_actors.cluster.desired import SUPERVISOR, ActorSpec, Health, Observed, desired_actors
from kube_actors.cluster.embedded import ready_seconds, write_kubeconfig
from kube_actors.cluster.etcd import external, layout
from kube_actors.cluster.hosts import Host
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import Pki
from kube_actors.cluster.plan import ClusterPlan, EtcdPlan, SpreadPlan
from kube_actors.cluster.processes import this_process
from kube_actors.cluster.readiness import nodes_ready
from kube_actors.cluster.record import RUNNING, STARTING, STOPPING, ClusterRecord, RayRecord
from kube_actors.cluster.settings import seconds

if TYPE_CHECKING:
    from kube_actors.cluster.etcd.status import MemberReport
    from kube_actors.cluster.ray_actors import RayActors

# What the caller shows: what is happening now.
Report = Callable[[str], None]

ACTORS_SECONDS = 120.0
ROUND_SECONDS = 0.3
DRAIN_SECONDS = 15.0
STATUS_SECONDS = 5.0
# Nodes that an error names.
NAMED = 5


def up(config: ClusterConfig, paths: ClusterPaths, report: Report, note: Report) -> ClusterRecord:
    """Start the cluster. `report` gets what happens now, `note` what stays true.

    Raises ConfigError in one line; nothing that was started stays behind then.
    """
    record.refuse_if_running(paths)
    with record.exclusive(paths):
        record.refuse_if_running(paths)
        clear_leftovers(config, paths, report, note)
        ray_process.require_ray()
        joined = _join(config, paths, report) if config.ray.address else None
        resolved = _plan(config, paths, joined)
        if config.runtime == "auto" and resolved.runtime == "process":
            note("No Docker engine answers here: containers run as plain processes (runtime process)")
        ray = joined.ray if joined is not None else None
        mine = ClusterRecord(config.name, "ray", STARTING, this_process(), resolved, ray=ray)
        record.write(paths, mine)
        try:
            return _start(mine, config, paths, report)
        except BaseException:
            report("Cleaning up")
            _end(record.read(paths) or mine, paths, report, note)
            raise


@dataclass(frozen=True, slots=True)
class Joined:
    """A Ray that exists, this machine's address in it, and its nodes."""

    ray: RayRecord
    master: str
    hosts: Sequence[Host]


def _join(config: ClusterConfig, paths: ClusterPaths, report: Report) -> Joined:
    """Stays connected for `_start`."""
    report("Joining Ray")
    ray, master = ray_process.join(paths, config.ray)
    from kube_actors.cluster import ray_actors

    if ray_actors.exists(SUPERVISOR):
        ray_process.disconnect()
        raise ConfigError(
            f"ray.address: another cluster runs on {ray.address}; end it first, by 'kactl down' where it was started"
        )
    return Joined(ray, master, ray_actors.alive_hosts())


def down(paths: ClusterPaths, report: Report, note: Report) -> bool:
    """End the cluster; False where there is none."""
    with record.exclusive(paths):
        found = record.read(paths)
        if found is None:
            return False
        _end(found, paths, report, note)
        return True


def clear_leftovers(config: ClusterConfig, paths: ClusterPaths, report: Report, note: Report) -> None:
    """End what a killed `up`, a killed `down` or a crash has left; but for pods that the next cluster goes on with."""
    found = record.read(paths)
    if found is not None:
        report("Clearing away what an earlier cluster left")
        _end(found, paths, report, note, pods=not _goes_on(config, paths, found))


def _goes_on(config: ClusterConfig, paths: ClusterPaths, found: ClusterRecord) -> bool:
    if found.ray is None or found.ray.joined or config.ray.address or found.phase == STOPPING:
        return False
    runtime = wiring.resolve_runtime(config.runtime)
    return wiring.make_plan(config, paths, runtime, embedded=False).continues(found.plan)


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


def _plan(config: ClusterConfig, paths: ClusterPaths, joined: Joined | None) -> ClusterPlan:
    """The plan with every port decided and free."""
    server, store = config.api_server, config.store
    wanted = (server.port, server.grpc_port, server.token_port, store.port)
    spare = iter(ports.free_ports(4, avoid=wanted))
    rest, grpc, token, store_port = (port or next(spare) for port in wanted)
    ports.require_free(server.host, {"apiServer.port": rest, "apiServer.grpcPort": grpc, "apiServer.tokenPort": token})
    layout.refuse_other_engine(paths, store)
    etcd = _etcd(config, paths, joined)
    if etcd is None and not store.endpoints:
        ports.require_free(ray_process.HOST, {"store.port": store_port})
    decided = config.replace(
        api_server=dataclasses.replace(server, port=rest, grpc_port=grpc, token_port=token),
        store=dataclasses.replace(store, port=store_port),
    )
    runtime = wiring.resolve_runtime(config.runtime)
    made = wiring.make_plan(decided, paths, runtime, embedded=False)
    if made.external is not None:
        loop.run(external.check(made.external))
    return dataclasses.replace(made, etcd=etcd, spread=_spread(config, joined))


def _etcd(config: ClusterConfig, paths: ClusterPaths, joined: Joined | None) -> EtcdPlan | None:
    if not config.store.member_count:
        return None
    if joined is None:
        return layout.choose(paths, config.store, ray_process.HOST)
    return layout.choose_hosts(paths, config.store, joined.hosts)


def _spread(config: ClusterConfig, joined: Joined | None) -> SpreadPlan | None:
    if joined is None:
        return None
    selector = tuple(sorted(config.store.node_selector.items()))
    return SpreadPlan(joined.master, selector, seconds(config.store.replace_after))


def _start(mine: ClusterRecord, config: ClusterConfig, paths: ClusterPaths, report: Report) -> ClusterRecord:
    pki = Pki.open(paths.pki)
    paths.read_or_make_token(paths.token)
    write_kubeconfig(mine.plan, pki, paths.kubeconfig)
    mine = dataclasses.replace(mine, kubeconfig=str(paths.kubeconfig))
    if mine.ray is None:
        mine = _start_ray(mine, config, paths, report)
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


def _start_ray(mine: ClusterRecord, config: ClusterConfig, paths: ClusterPaths, report: Report) -> ClusterRecord:
    """A Ray of our own, connected."""
    report("Starting Ray")
    prepared = ray_process.prepare(paths, config.ray)
    mine = dataclasses.replace(mine, ray=prepared.record)
    # On record before it runs: a kill between the two leaves nothing that is not found again.
    record.write(paths, mine)
    started = ray_process.launch(paths, prepared)
    mine = dataclasses.replace(mine, ray=started)
    record.write(paths, mine)
    ray_process.wait_ready(paths, started)
    ray_process.connect(paths, started)
    return mine


def _start_actors(resolved: ClusterPlan, report: Report) -> None:
    """Create all at once and wait until each serves. Raises ConfigError for the first that cannot."""
    from kube_actors.cluster.ray_actors import RayActors

    actors = RayActors(resolved)
    # What belongs on a host that is away is the supervisor's to place.
    there = {"", *(host.address for host in actors.hosts())}
    specs = [spec for spec in desired_actors(resolved) if spec.host in there]
    _require_same_version(resolved, actors, {spec.host for spec in specs})
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


def _require_same_version(resolved: ClusterPlan, actors: RayActors, hosts: set[str]) -> None:
    """Raise ConfigError for the first host with another kube-actors, or none."""
    if resolved.spread is None:
        return
    for host, found in actors.ask_hosts(sorted(hosts), installed_version, seconds=ACTORS_SECONDS).items():
        if found != installed_version():
            raise ConfigError(f"{host} needs kube-actors {installed_version()}, as this machine has; there: {found}")


def installed_version() -> str:
    """Of kube-actors, on the machine where it is called."""
    return kube_actors.__version__


async def _nodes_ready(resolved: ClusterPlan, pki: Pki) -> None:
    client = wiring.client(resolved, pki, wiring.ADMIN, (wiring.MASTERS_GROUP,), agent="kactl")
    wanted = {node.name for node in resolved.nodes}
    await client.start()
    try:
        limit = ready_seconds(len(wanted))
        async with asyncio.timeout(limit):
            await nodes_ready(client, wanted)
    except TimeoutError:
        names = ", ".join(sorted(wanted)[:NAMED]) + (f" and {len(wanted) - NAMED} more" if len(wanted) > NAMED else "")
        raise ConfigError(f"{names} not Ready within {limit:.0f} s; see {resolved.paths.logs}") from None
    finally:
        await client.stop()


def _end(found: ClusterRecord, paths: ClusterPaths, report: Report, note: Report, *, pods: bool = True) -> None:
    """In order, and as far as it goes: a step that fails does not keep the later ones from happening."""
    record.write(paths, dataclasses.replace(found, phase=STOPPING))
    if found.ray is not None:
        ray_process.disconnect()
        # The end of a Ray of ours is the end of actors that had not all started.
        if found.ray.joined or (found.live and found.phase != STARTING):
            _end_actors(found, report, note)
        report("Leaving Ray" if found.ray.joined else "Stopping Ray")
        ray_process.disconnect()
        ray_process.stop(found.ray)
    if pods:
        report("Removing pods")
        for problem in loop.run(sweep.sweep(found.plan)):
            note(f"Left behind: {problem}")
    record.remove(paths)


def _end_actors(found: ClusterRecord, report: Report, note: Report) -> None:
    assert found.ray is not None
    try:
        ray_process.connect(found.plan.paths, found.ray)
    except ConfigError as error:
        # A Ray of ours that does not answer is ended by its processes.
        if found.ray.joined:
            note(f"Left behind: {error}")
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
    for problem in sweep.sweep_hosts(found.plan, actors):
        note(f"Left behind: {problem}")


def _drain_order(specs: Sequence[ActorSpec]) -> list[list[ActorSpec]]:
    """Nodes while the API server still takes their last words; the store last."""
    steps = [("NodeAgent",), ("Scheduler", "ControllerManager"), ("APIServer",), ("Store", "StoreMember")]
    return [chosen for kinds in steps if (chosen := [spec for spec in specs if spec.kind in kinds])]
