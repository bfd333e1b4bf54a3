"""Who constructs what: components from a plan and the cluster's authority.

The embedded cluster, `kactl run` and the Ray actors all come here; nothing else constructs components.
Components are imported inside the functions, so that a process pays only for those it runs.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kube_actors.cluster import loopback, service_account_keys
from kube_actors.cluster.group import Component, Group
from kube_actors.cluster.pki import API_SERVER, NODE, STORE, Authority
from kube_actors.cluster.plan import ClusterPlan, EtcdPlan, NodePlan, uses_loopback
from kube_actors.cluster.plan import plan as plan_of
from kube_actors.rpc.server import Listener

if TYPE_CHECKING:
    from kube_actors.apiserver.server import ApiServer
    from kube_actors.client.client import KubeClient
    from kube_actors.cluster.config import ClusterConfig
    from kube_actors.cluster.etcd.files import Credentials
    from kube_actors.cluster.etcd.member import MemberConfig
    from kube_actors.cluster.paths import ClusterPaths
    from kube_actors.network.proxy import ProxyConfig
    from kube_actors.node.config import NodeConfig
    from kube_actors.node.runtime.interface import Runtime
    from kube_actors.rpc.tls import ClientTLS

MASTERS_GROUP = "system:masters"
NODES_GROUP = "system:nodes"
# All nodes of a simulated cluster.
FLEET = "system:simulated-nodes"
# What they write at once about their pods: a few messages full, so that nobody else waits for long.
FLEET_CALLS = 256
# Of a simulated node, whose state changes by what it does alone: seconds between two looks at its own status, and
# between two lists of what it runs.
SIMULATED_STATUS, SIMULATED_RELIST = 60.0, 300.0
ADMIN = "kubernetes-admin"
SCHEDULER = "system:kube-scheduler"
CONTROLLER_MANAGER = "system:kube-controller-manager"
PROXY = "system:kube-proxy"
SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc.cluster.local"
# kube-apiserver's names for itself towards the store and towards nodes.
STORE_CLIENT = "kube-apiserver-etcd-client"
NODE_CLIENT = "kube-apiserver-kubelet-client"
FRONT_PROXY = "front-proxy-client"


def resolve_runtime(kind: str) -> str:
    """The kind itself, or for `auto`: docker where an engine answers, else process."""
    if kind != "auto":
        return kind
    from kube_actors.node.runtime import select

    return select.detect()


def kernel_services() -> bool:
    """Whether services can be forwarded by the kernel here: it takes root and the program nft."""
    return os.geteuid() == 0 and shutil.which("nft") is not None


def make_plan(config: ClusterConfig, paths: ClusterPaths, runtime: str, *, embedded: bool) -> ClusterPlan:
    """The plan of a config on this machine, with loopback ranges that no other cluster has. Raises ConfigError."""
    kernel = kernel_services()
    pair = loopback.choose(paths.ranges, keep=embedded) if uses_loopback(runtime, kernel) else loopback.PAIRS[0]
    return plan_of(config, paths, runtime, embedded=embedded, kernel_services=kernel, loopback=pair)


def store(plan: ClusterPlan, pki: Authority, address: str = "") -> Group:
    """The embedded store at the plan's address: with certificates, but for a socket in a private folder."""
    from kube_actors.store.server import StoreConfig, StoreServer

    address = address or plan.store_address
    plain = address.startswith("unix:")
    listener = Listener(address, tls=None if plain else pki.server_tls(STORE, (_host(address),)))
    data_dir = plan.paths.store if plan.durable else None
    # Whoever reads the store reads every Secret: of all the certificates of the cluster, only this one may.
    users = None if plain else frozenset({STORE_CLIENT})
    server = StoreServer(StoreConfig(listeners=(listener,), data_dir=data_dir, users=users))
    return Group("store", [server, *scheduled_backups(plan, pki, address)])


def scheduled_backups(plan: ClusterPlan, pki: Authority, address: str = "") -> list[Component]:
    """The component that makes backups by the clock, if the config asks for it. One in a cluster."""
    if plan.backup is None:
        return []
    from kube_actors.cluster.backups import ScheduledBackups
    from kube_actors.store.backup.wire import StoreWire

    where = [reachable(each) for each in ([address] if address else plan.store_addresses)]
    tls = store_client_tls(plan, pki)
    return [ScheduledBackups(plan.backup, plan.name, plan.paths.backup_status, lambda: StoreWire(where, tls))]


def store_member(plan: ClusterPlan, pki: Authority, name: str) -> Group:
    """One member of the plan's etcd. On one machine backups by the clock are the first one's."""
    from kube_actors.cluster.etcd.member import EtcdMember

    assert plan.etcd is not None
    first = plan.spread is None and name == plan.etcd.members[0].name
    backups = scheduled_backups(plan, pki) if first else []
    return Group(name, [EtcdMember(member_config(plan.etcd, plan.paths, pki, name)), *backups])


def member_config(etcd: EtcdPlan, paths: ClusterPaths, pki: Authority, name: str) -> MemberConfig:
    """What the keeper of a member needs to know."""
    from kube_actors.cluster.etcd.command import Peer
    from kube_actors.cluster.etcd.member import MemberConfig

    mine = next(member for member in etcd.members if member.name == name)
    return MemberConfig(
        name=name,
        root=paths.etcd,
        binary=etcd.binary,
        peers=tuple(Peer(m.name, f"https://{m.host}:{m.peer_port}", m.address) for m in etcd.members),
        token=etcd.token,
        log=paths.logs / f"{name}.etcd.log",
        credentials=lambda: _member_credentials(pki, mine.host),
        client_tls=_own_store_client_tls(pki),
        joining=etcd.formed,
    )


def _member_credentials(pki: Authority, host: str) -> Credentials:
    """etcd's members are each other's clients: their certificates are good for both sides."""
    from kube_actors.cluster.etcd.command import PEER_NAME
    from kube_actors.cluster.etcd.files import Credentials

    hosts = tuple(dict.fromkeys((host, "127.0.0.1")))
    return Credentials(
        ca=pki.ca,
        server=pki.issue(STORE, hosts=(STORE, "localhost", *hosts), client=True),
        peer=pki.issue(PEER_NAME, hosts=hosts, client=True),
    )


def api_server(
    plan: ClusterPlan, pki: Authority, *, store_tls: ClientTLS | None = None, administrator: str = ADMIN
) -> tuple[Group, ApiServer]:
    """The API server; the second is the server itself, which knows its addresses once it runs.

    `administrator` is the user whose token lies in the cluster's folder.
    """
    from kube_actors.aio.clock import SystemClock
    from kube_actors.apiserver.config import ApiServerConfig, ServiceAccountConfig, StaticToken
    from kube_actors.apiserver.server import ApiServer

    tls = pki.server_tls(API_SERVER, server_hosts(plan))
    token = plan.paths.read_or_make_token(plan.paths.token)
    server = ApiServer(
        ApiServerConfig(
            store_addresses=plan.store_addresses,
            store_tls=store_tls,
            store_members_move=plan.etcd is not None,
            grpc_listeners=(
                Listener(plan.grpc_address, tls),
                Listener(plan.token_address, tls, client_certificates=False),
            ),
            rest_host=plan.host,
            rest_port=plan.rest_port,
            rest_tls=tls,
            tokens=(
                StaticToken(token, administrator, uid=administrator, groups=(MASTERS_GROUP,)),
                *plan.access.static_tokens(),
            ),
            encryption=plan.access.encryption(),
            audit=plan.access.audit_log(),
            service_accounts=ServiceAccountConfig(
                lambda: service_account_keys.read(plan.paths.pki, SystemClock().now()),
                issuer=SERVICE_ACCOUNT_ISSUER,
            ),
            node_tls=pki.client_tls(NODE_CLIENT, (MASTERS_GROUP,), NODE),
            proxy_tls=pki.client_tls(FRONT_PROXY),
            service_cidr=plan.service_cidr,
            advertise_address=plan.server_host,
            pod_gateway=plan.pod_gateway,
            resource_metrics=plan.resource_metrics,
            cluster_name=plan.name,
            loopback_endpoints=plan.loopback,
            enable_admission_plugins=plan.admission_plugins,
            allow_privileged=plan.allow_privileged,
        )
    )
    # An etcd of somebody else's has nobody else who could look after them, and members on other hosts come and go.
    spread = plan.etcd is not None and plan.spread is not None
    backups = scheduled_backups(plan, pki) if plan.external is not None or spread else []
    return Group("apiserver", [server, *backups]), server


def store_client_tls(plan: ClusterPlan, pki: Authority) -> ClientTLS | None:
    """How the API server gets into the plan's store, whichever it is."""
    if plan.external is not None:
        return plan.external.client_tls()
    if plan.etcd is None and plan.store_address.startswith("unix:"):
        return None
    return _own_store_client_tls(pki)


def _own_store_client_tls(pki: Authority) -> ClientTLS:
    """The one kind of certificate that our etcd's members let in; see `etcd/command.py`."""
    from kube_actors.cluster.etcd.command import CLIENT_NAME
    from kube_actors.rpc.tls import ClientTLS

    issued = pki.issue(STORE_CLIENT, (MASTERS_GROUP,), (CLIENT_NAME,), client=True)
    return ClientTLS(pki.ca, issued.certificate, issued.key, STORE)


def client(
    plan: ClusterPlan,
    pki: Authority,
    user: str,
    groups: tuple[str, ...] = (),
    agent: str = "",
    **options: Any,
) -> KubeClient:
    """A client of the plan's API server by certificate. `options`: those of KubeClient."""
    from kube_actors.client.client import KubeClient

    address = reachable(plan.grpc_address)
    return KubeClient([address], pki.client_tls(user, groups, API_SERVER), user_agent=agent or user, **options)


def scheduler(plan: ClusterPlan, pki: Authority) -> Group:
    from kube_actors.scheduler.scheduler import Scheduler

    kube = client(plan, pki, SCHEDULER, agent="kube-scheduler")
    return Group("scheduler", [kube, Scheduler(kube)])


def controller_manager(plan: ClusterPlan, pki: Authority, identity: str) -> Group:
    from kube_actors.aio.clock import SystemClock
    from kube_actors.controllers.config import ControllerConfig, StorageConfig
    from kube_actors.controllers.manager import ControllerManager

    kube = client(plan, pki, CONTROLLER_MANAGER, agent="kube-controller-manager")
    storage = StorageConfig(plan.local_volumes, plan.shared_volumes, keeps_files=plan.runtime != "simulated")
    config = ControllerConfig(
        root_ca=pki.ca,
        identity=identity,
        signing_key=pki.ca_key,
        service_account_keys=lambda: service_account_keys.read(plan.paths.pki, SystemClock().now()),
        storage=storage,
    )
    return Group("controller-manager", [kube, ControllerManager(kube, config)])


def lost_nodes(plan: ClusterPlan, pki: Authority, hosts: Callable[[], Iterable[str]]) -> Group:
    """Removes nodes whose machine has left Ray; `hosts` gives the addresses of those that are there."""
    from kube_actors.cluster.lost_nodes import LostNodes

    kube = client(plan, pki, CONTROLLER_MANAGER, agent="lost-nodes")
    return Group("lost-nodes", [kube, LostNodes(kube, hosts)])


def node(plan: ClusterPlan, pki: Authority, which: NodePlan, annotations: Mapping[str, str] | None = None) -> Group:
    """A node agent with its runtime and, on the first node of a machine, the service proxy."""
    from kube_actors.node.agent import NodeAgent

    user = f"system:node:{which.name}"
    kube = client(plan, pki, user, (NODES_GROUP,), agent=f"node {which.name}")
    config = replace(
        _node_config(plan, which, annotations),
        listener=Listener(f"{plan.server_host}:0", pki.server_tls(NODE, (which.name, plan.server_host))),
        # Who opens a stream into a pod is the API server, which has asked whether its user may.
        callers=frozenset({NODE_CLIENT}),
        static_pods=plan.paths.node(which.name) / "manifests",
    )
    members: list[Component] = [*_claims(plan, which), kube, NodeAgent(config, kube, make_runtime(plan, which))]
    if which.proxy:
        from kube_actors.network.proxy import ServiceProxy

        proxy_client = client(plan, pki, PROXY, agent="kube-proxy")
        members += [proxy_client, ServiceProxy(proxy_config(plan, which), proxy_client)]
    return Group(f"node {which.name}", members)


def _node_config(plan: ClusterPlan, which: NodePlan, annotations: Mapping[str, str] | None) -> NodeConfig:
    """What the plan says of every node, whatever its pods run on."""
    from kube_actors.node.config import NodeConfig

    return NodeConfig(
        name=which.name,
        root_dir=plan.paths.node(which.name),
        advertise_address=plan.server_host,
        pod_cidr=which.pod_cidr,
        labels=plan.workers.labels,
        annotations=dict(annotations or {}),
        max_pods=plan.workers.max_pods,
        allowed_unsafe_sysctls=plan.workers.allowed_unsafe_sysctls,
        reserved=plan.workers.reserved,
        eviction_hard=plan.workers.eviction_hard,
        pressure_seconds=plan.workers.pressure_seconds,
        image_gc=plan.workers.image_gc,
    )


def _claims(plan: ClusterPlan, which: NodePlan) -> list[Component]:
    """The loopback ranges of the cluster are its own on this machine."""
    ranges = (plan.pod_cidr, plan.service_cidr) if which.proxy else ()
    return [loopback.Claim(each) for each in ranges if each.startswith("127.")]


def fleet(plan: ClusterPlan, pki: Authority, annotations: Mapping[str, str] | None = None) -> Group:
    """All nodes of a simulated cluster. They may write about each other, so they are one user."""
    from kube_actors.node.fleet import Fleet
    from kube_actors.node.runtime.simulated import SimulatedRuntime

    kube = client(plan, pki, FLEET, (MASTERS_GROUP,), agent="nodes", most=FLEET_CALLS)
    heartbeat = client(plan, pki, FLEET, (MASTERS_GROUP,), agent="nodes-heartbeat")
    behaviour = plan.simulated
    configs = [
        replace(
            _node_config(plan, which, annotations),
            capacity=behaviour.capacity,
            status_interval=SIMULATED_STATUS,
            relist_interval=SIMULATED_RELIST,
            # Nothing runs that could read it.
            service_environment=False,
        )
        for which in plan.nodes
    ]
    nodes = Fleet(
        configs,
        kube,
        heartbeat,
        lambda config: SimulatedRuntime(behaviour),
        root_dir=plan.root,
        listener=Listener(f"{plan.server_host}:0", pki.server_tls(NODE, (plan.server_host,))),
        callers=frozenset({NODE_CLIENT}),
    )
    return Group("nodes", [kube, heartbeat, nodes])


def proxy_config(plan: ClusterPlan, which: NodePlan) -> ProxyConfig:
    """How the services of the node's machine are served."""
    from kube_actors.network.proxy import ProxyConfig

    return ProxyConfig(
        mode=which.proxy,
        node_name=which.name,
        cluster_name=plan.name,
        service_cidr=plan.service_cidr,
        pod_cidr=plan.pod_cidr,
    )


def make_runtime(plan: ClusterPlan, which: NodePlan) -> Runtime:
    """The container runtime of one node."""
    from kube_actors.node.runtime.select import create_runtime

    return create_runtime(
        plan.runtime,
        cluster=plan.name,
        node=which.name,
        root_dir=plan.paths.node(which.name),
        pod_network=pod_network(plan),
        pod_subnet=plan.pod_cidr,
        outlive=plan.durable,
        logs=plan.workers.logs,
    )


def pod_network(plan: ClusterPlan) -> str:
    """The name of the Docker network that the cluster's pods are in."""
    return f"kube-actors-{plan.name}"


def server_hosts(plan: ClusterPlan) -> tuple[str, ...]:
    """What the API server's certificate is valid for besides its stable names."""
    import ipaddress

    # Pods reach the API server by the first address of the service range.
    first = str(ipaddress.ip_network(plan.service_cidr)[1])
    hosts = [plan.server_host, first, socket.gethostname()]
    return tuple(dict.fromkeys(hosts))


def reachable(address: str) -> str:
    """The address to dial for an address to listen on."""
    return address.replace("0.0.0.0:", "127.0.0.1:")


def _host(address: str) -> str:
    return address.rpartition(":")[0]
