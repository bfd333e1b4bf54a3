"""resolv.conf of a pod by its dnsPolicy, as pkg/kubelet/network/dns has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.node.config import NodeConfig

MAX_SERVERS, MAX_SEARCHES = 3, 32


@dataclass(frozen=True, slots=True)
class Resolver:
    """Contents of a resolv.conf."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def resolver_of(pod: Obj, config: NodeConfig, host: Resolver) -> Resolver:
    """`host` is the node's own resolv.conf."""
    spec = pod["spec"]
    policy = str(spec.get("dnsPolicy") or "ClusterFirst")
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        policy = "Default"
    if policy == "None":
        base = Resolver()
    elif policy == "Default" or not config.cluster_dns:
        base = host
    else:
        domain, namespace = config.cluster_domain, pod["metadata"]["namespace"]
        searches = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain)
        base = Resolver(config.cluster_dns, _unique([*searches, *host.searches]), ("ndots:5",))
    extra = spec.get("dnsConfig") or {}
    return Resolver(
        _unique([*base.servers, *(extra.get("nameservers") or ())])[:MAX_SERVERS],
        _unique([*base.searches, *(extra.get("searches") or ())])[:MAX_SEARCHES],
        _merged(base.options, extra.get("options") or ()),
    )


def parse_resolv_conf(text: str) -> Resolver:
    """The node's resolv.conf. Lines that are not understood are left out; the last `search` wins."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0].startswith(("#", ";")):
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] == "search":
            searches = [word for word in words[1:] if word != "."]
        elif words[0] == "options":
            options = words[1:]
    return Resolver(tuple(servers), tuple(searches), tuple(options))


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _merged(base: tuple[str, ...], extra: Iterable[Obj]) -> tuple[str, ...]:
    options = dict(_option(each) for each in base)
    options |= {str(each["name"]): str(each.get("value") or "") for each in extra}
    return tuple(f"{name}:{value}" if value else name for name, value in options.items())


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name, value
