"""The table of services as one nftables transaction. Pure: text out, `nft_backend.py` runs it.

How a packet goes, for traffic of pods (prerouting) and of the node itself (output):

    daddr . protocol . dport  in @service-ips  --goto-->  svc-…  --dnat-->  one endpoint
    local daddr, protocol . dport in @node-ports --goto--> ext-… --mark, dnat--> one endpoint
    marked, or an endpoint that reaches itself (@hairpin)   --postrouting-->  masquerade
    a service address without endpoints, or without such a port   --filter-->  reject

Random choice is `numgen random`; client-IP affinity is a hash of the client's address, which needs no
state: a client stays with its endpoint as long as the set of endpoints stays the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kube_actors.network.services import Endpoint, ServicePort

# The mark of packets to be masqueraded; the bit that kube-proxy uses.
MASQUERADE_MARK = 0x4000
HASH_SEED = 0x6B756265

Rule = str


@dataclass(slots=True)
class _Rules:
    """What the services contribute to the table."""

    chains: dict[str, list[Rule]] = field(default_factory=dict)
    service_ips: dict[str, str] = field(default_factory=dict)
    node_ports: dict[str, str] = field(default_factory=dict)
    rejected_ips: set[str] = field(default_factory=set)
    rejected_node_ports: set[str] = field(default_factory=set)
    hairpin: set[str] = field(default_factory=set)
    cluster_ips: set[str] = field(default_factory=set)


def render(services: Iterable[ServicePort], table: str, *, masquerade_pods: str = "") -> str:
    """The script for `nft -f -` that makes `table` serve `services`, replacing what it did before.

    `masquerade_pods` is a range of addresses whose traffic to each other through a service has to be
    masqueraded, because answers between them would not come back through this host's NAT.
    """
    rules = _Rules()
    for service in services:
        _add(rules, service)
    blocks = [
        *_base_chains(masquerade_pods),
        _map("service-ips", "ipv4_addr . inet_proto . inet_service : verdict", rules.service_ips),
        _map("node-ports", "inet_proto . inet_service : verdict", rules.node_ports),
        _set("rejected-ips", "ipv4_addr . inet_proto . inet_service", rules.rejected_ips),
        _set("rejected-node-ports", "inet_proto . inet_service", rules.rejected_node_ports),
        _set("hairpin", "ipv4_addr . ipv4_addr", rules.hairpin),
        _set("cluster-ips", "ipv4_addr", rules.cluster_ips),
        *(_chain(name, lines) for name, lines in sorted(rules.chains.items())),
    ]
    body = "\n".join(blocks)
    return f"add table ip {table}\ndelete table ip {table}\ntable ip {table} {{\n{body}\n}}\n"


def _add(rules: _Rules, service: ServicePort) -> None:
    suffix = _suffix(service)
    protocol = service.protocol.lower()
    rules.cluster_ips.update(service.cluster_ips)
    for endpoint in service.endpoints:
        rules.hairpin.add(f"{endpoint.ip} . {endpoint.ip}")
    internal, external = service.internal_endpoints, service.external_endpoints
    if internal:
        rules.chains[f"svc-{suffix}"] = [_dnat(internal, service)]
    if external and (service.external_ips or service.node_port):
        mark = [] if service.external_local else [f"meta mark set meta mark or {MASQUERADE_MARK:#x}"]
        rules.chains[f"ext-{suffix}"] = [*mark, _dnat(external, service)]
    for ips, chosen, chain in (
        (service.cluster_ips, internal, f"svc-{suffix}"),
        (service.external_ips, external, f"ext-{suffix}"),
    ):
        for ip in ips:
            key = f"{ip} . {protocol} . {service.port}"
            if chosen:
                rules.service_ips[key] = f"goto {chain}"
            else:
                rules.rejected_ips.add(key)
    if service.node_port:
        key = f"{protocol} . {service.node_port}"
        if external:
            rules.node_ports[key] = f"goto ext-{suffix}"
        else:
            rules.rejected_node_ports.add(key)


def _suffix(service: ServicePort) -> str:
    """Short and stable: names of chains are bounded and services' names are long."""
    key = f"{service.namespace}/{service.name}/{service.protocol}/{service.port}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _dnat(endpoints: Sequence[Endpoint], service: ServicePort) -> Rule:
    if len(endpoints) == 1:
        return f"meta l4proto {service.protocol.lower()} dnat ip to {endpoints[0].ip}:{endpoints[0].port}"
    choice = f"jhash ip saddr mod {len(endpoints)} seed {HASH_SEED:#x}"
    if not service.affinity_seconds:
        choice = f"numgen random mod {len(endpoints)}"
    targets = ", ".join(f"{index} : {endpoint.ip} . {endpoint.port}" for index, endpoint in enumerate(endpoints))
    return f"meta l4proto {service.protocol.lower()} dnat ip to {choice} map {{ {targets} }}"


def _base_chains(masquerade_pods: str) -> list[str]:
    reject = ["ip daddr . meta l4proto . th dport @rejected-ips reject", "ip daddr @cluster-ips reject"]
    reject_local = ["fib daddr type local meta l4proto . th dport @rejected-node-ports reject"]
    same_bridge = [f"ct status dnat ip saddr {masquerade_pods} ip daddr {masquerade_pods} masquerade"]
    return [
        _chain(
            "services",
            [
                "ip daddr . meta l4proto . th dport vmap @service-ips",
                "fib daddr type local meta l4proto . th dport vmap @node-ports",
            ],
        ),
        _hook("prerouting", "nat", "dstnat", ["jump services"]),
        _hook("nat-output", "nat", "-100", ["jump services"], hook="output"),
        _hook(
            "postrouting",
            "nat",
            "srcnat",
            [
                f"meta mark and {MASQUERADE_MARK:#x} != 0 masquerade",
                "ip saddr . ip daddr @hairpin masquerade",
                *(same_bridge if masquerade_pods else []),
            ],
        ),
        _hook("input", "filter", "0", [*reject_local, "iif != lo ip daddr 127.0.0.0/8 ct status dnat drop", *reject]),
        _hook("forward", "filter", "-10", reject),
        _hook("output", "filter", "0", [*reject_local, *reject]),
    ]


def _hook(name: str, kind: str, priority: str, rules: list[Rule], *, hook: str = "") -> str:
    return _chain(name, [f"type {kind} hook {hook or name} priority {priority}; policy accept;", *rules])


def _chain(name: str, rules: list[Rule]) -> str:
    return _block(f"chain {name}", rules)


def _map(name: str, kind: str, elements: dict[str, str]) -> str:
    pairs = [f"{key} : {verdict}" for key, verdict in sorted(elements.items())]
    return _block(f"map {name}", [f"type {kind}", *_elements(pairs)])


def _set(name: str, kind: str, elements: set[str]) -> str:
    return _block(f"set {name}", [f"type {kind}", *_elements(sorted(elements))])


def _elements(values: list[str]) -> list[str]:
    return [f"elements = {{ {', '.join(values)} }}"] if values else []


def _block(head: str, lines: list[str]) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"  {head} {{\n{body}\n  }}"
