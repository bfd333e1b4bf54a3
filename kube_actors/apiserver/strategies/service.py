"""Services: cluster IPs and node ports, taken when a service is written and given back when it goes.

Kubernetes: pkg/registry/core/service/storage/alloc.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kube_actors.api import Obj, errors
from kube_actors.api.errors import Cause
from kube_actors.api.service_families import settle
from kube_actors.apiserver.failures import internal
from kube_actors.apiserver.registry.allocation import Allocators, Exhausted, Owner, Taken
from kube_actors.apiserver.strategies.base import Reservation, Strategy

_WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
Undo = Callable[[], Awaitable[None]]


class ServiceStrategy(Strategy):
    async def begin_create(self, obj: Obj, allocators: Allocators) -> Reservation:
        taking = _Taking(obj, {}, allocators)
        await taking.run()
        return taking.reservation()

    async def begin_update(self, new: Obj, old: Obj, allocators: Allocators) -> Reservation:
        _keep_allocated(new, old)
        taking = _Taking(new, old.get("spec") or {}, allocators)
        await taking.run()
        return taking.reservation()

    async def after_delete(self, obj: Obj, allocators: Allocators) -> None:
        spec = obj.get("spec") or {}
        for ip in _ips(spec):
            await allocators.free_ip(ip)
        for port in _node_ports(spec):
            await allocators.free_port(port)


class _Taking:
    """What one write takes; `before` is the spec that the service has in the store."""

    def __init__(self, obj: Obj, before: Obj, allocators: Allocators) -> None:
        self._obj = obj
        self._spec: Obj = obj.setdefault("spec", {})
        self._before = before
        self._allocators = allocators
        self._owner = Owner.of(obj)
        self._undo: list[Undo] = []

    async def run(self) -> None:
        """Sets addresses and ports in the object; on a refusal nothing stays taken."""
        self._settle_families()
        try:
            await self._take_ips()
            await self._take_ports()
        except BaseException:
            await self._undo_all()
            raise

    def reservation(self) -> Reservation:
        return Reservation(self._undo_all, self._release)

    async def _undo_all(self) -> None:
        while self._undo:
            await self._undo.pop()()

    async def _release(self) -> None:
        """The write is done: what the service had and has no more is free again."""
        for ip in set(_ips(self._before)) - set(_ips(self._spec)):
            await self._allocators.free_ip(ip)
        for port in _node_ports(self._before) - _node_ports(self._spec):
            await self._allocators.free_port(port)

    def _settle_families(self) -> None:
        spec = self._spec
        if spec.get("clusterIP") and not (spec.get("clusterIPs") or self._before):
            spec["clusterIPs"] = [spec["clusterIP"]]
        causes = settle(spec, self._before, (f"IPv{self._allocators.network.version}",))
        if causes:
            raise errors.invalid("Service", "", self._owner.name, causes)

    async def _take_ips(self) -> None:
        spec = self._spec
        if not _has_addresses(spec) or self._before.get("clusterIP"):
            return  # those that it has stay: validation refuses a change
        if spec.get("clusterIP") == "None":
            spec.setdefault("clusterIPs", ["None"])
        elif not spec.get("clusterIP"):
            ip = await self._any_ip()
            spec["clusterIP"], spec["clusterIPs"] = ip, [ip]
        else:
            spec["clusterIPs"] = spec.get("clusterIPs") or [spec["clusterIP"]]
            for ip in spec["clusterIPs"]:
                await self._take_ip(ip)
        if self._before:
            # One that had none, as ExternalName; a new service gets it where it is prepared.
            spec.setdefault("internalTrafficPolicy", "Cluster")

    async def _any_ip(self) -> str:
        try:
            ip = await self._allocators.any_ip(self._owner)
        except Exhausted as error:
            raise internal(f"failed to allocate a serviceIP: {error}") from None
        self._undo.append(lambda: self._allocators.free_ip(ip))
        return ip

    async def _take_ip(self, ip: str) -> None:
        reason = ""
        if not self._allocators.usable(ip):
            reason = f"failed to allocate IP {ip}: the provided network does not match the current range"
        else:
            try:
                await self._allocators.take_ip(ip, self._owner)
            except Taken:
                reason = f"failed to allocate IP {ip}: provided IP is already allocated"
        if reason:
            text = f"Invalid value: {_go_list(self._spec['clusterIPs'])}: {reason}"
            raise self._invalid(Cause("FieldValueInvalid", text, "spec.clusterIPs"))
        self._undo.append(lambda: self._allocators.free_ip(ip))

    async def _take_ports(self) -> None:
        spec = self._spec
        if spec.get("type") not in _WITH_NODE_PORTS:
            return
        had = _node_ports(self._before)
        mine: dict[int, set[str]] = {}
        for index, port in enumerate(spec.get("ports") or ()):
            number, protocol = port.get("nodePort") or 0, port.get("protocol", "TCP")
            if not number:
                if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
                    continue
                port["nodePort"] = number = self._shared(port, mine) or await self._any_port()
            elif protocol in mine.get(number, ()):
                raise self._port_refused(number, index, "provided port is already allocated")
            elif number not in had and number not in mine:
                await self._take_port(number, index)
            mine.setdefault(number, set()).add(protocol)
        if spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
            await self._take_health_port()

    async def _take_health_port(self) -> None:
        """The node port that tells a load balancer which nodes have endpoints."""
        wanted = self._spec.get("healthCheckNodePort") or self._before.get("healthCheckNodePort") or 0
        if not wanted:
            self._spec["healthCheckNodePort"] = await self._any_port()
            return
        self._spec["healthCheckNodePort"] = wanted
        if wanted != self._before.get("healthCheckNodePort"):
            try:
                await self._allocators.take_port(wanted, self._owner)
            except Taken:
                text = f"failed to allocate requested HealthCheck NodePort {wanted}: provided port is already allocated"
                raise internal(text) from None
            self._undo.append(lambda: self._allocators.free_port(wanted))

    def _shared(self, port: Obj, mine: dict[int, set[str]]) -> int:
        """One port number for TCP and UDP of the same port, where a service has both."""
        for other in self._spec.get("ports") or ():
            number = other.get("nodePort") or 0
            same = other is not port and other.get("port") == port.get("port")
            if same and number in mine and port.get("protocol", "TCP") not in mine[number]:
                return int(number)
        return 0

    async def _any_port(self) -> int:
        try:
            port = await self._allocators.any_port(self._owner)
        except Exhausted as error:
            raise internal(f"failed to allocate a nodePort: {error}") from None
        self._undo.append(lambda: self._allocators.free_port(port))
        return port

    async def _take_port(self, port: int, index: int) -> None:
        low, high = self._allocators.ports
        reason = ""
        if not low <= port <= high:
            reason = f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
        else:
            try:
                await self._allocators.take_port(port, self._owner)
            except Taken:
                reason = "provided port is already allocated"
        if reason:
            raise self._port_refused(port, index, reason)
        self._undo.append(lambda: self._allocators.free_port(port))

    def _port_refused(self, port: int, index: int, reason: str) -> errors.Invalid:
        text = f"Invalid value: {port}: {reason}"
        return self._invalid(Cause("FieldValueInvalid", text, f"spec.ports[{index}].nodePort"))

    def _invalid(self, cause: Cause) -> errors.Invalid:
        return errors.invalid("Service", "", self._owner.name, [cause])


def _keep_allocated(new: Obj, old: Obj) -> None:
    """A client that leaves out what was allocated keeps it; a type that has none loses what it did not change."""
    spec, before = new.setdefault("spec", {}), old.get("spec") or {}
    _drop_of_old_type(spec, before)
    if _has_addresses(spec):
        _keep_addresses(spec, before)
    if _has_node_ports(spec) and _has_node_ports(before):
        _keep_node_ports(spec, before)


def _keep_addresses(spec: Obj, before: Obj) -> None:
    """Kubernetes: patchAllocatedValues and normalizeClusterIPs. The plural follows where only the singular changes."""
    address, addresses = before.get("clusterIP"), before.get("clusterIPs")
    if address and not spec.get("clusterIP"):
        spec["clusterIP"] = address
    if addresses and not spec.get("clusterIPs") and spec.get("clusterIP") == address:
        spec["clusterIPs"] = list(addresses)
    elif spec.get("clusterIP") != address and spec.get("clusterIPs") == addresses:
        spec["clusterIPs"] = [spec["clusterIP"]]


def _keep_node_ports(spec: Obj, before: Obj) -> None:
    """By the names of the ports, unless another port of the service has the number now."""
    numbers = {port.get("name", ""): port.get("nodePort") for port in before.get("ports") or ()}
    taken = {port.get("nodePort") for port in spec.get("ports") or ()}
    for port in spec.get("ports") or ():
        known = numbers.get(port.get("name", ""))
        if known and not port.get("nodePort") and known not in taken:
            port["nodePort"] = known


_ADDRESSES = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def _has_addresses(spec: Obj) -> bool:
    return spec.get("type") != "ExternalName"


def _has_node_ports(spec: Obj) -> bool:
    return spec.get("type") in _WITH_NODE_PORTS


def _is_reached_from_outside(spec: Obj) -> bool:
    return _has_node_ports(spec) or (_has_addresses(spec) and bool(spec.get("externalIPs")))


def _is_balanced(spec: Obj) -> bool:
    return spec.get("type") == "LoadBalancer"


# Fields that belong to some types only, and which.
_BELONGING: tuple[tuple[Callable[[Obj], bool], tuple[str, ...]], ...] = (
    (_has_addresses, (*_ADDRESSES, "internalTrafficPolicy")),
    (lambda spec: not _has_addresses(spec), ("externalName",)),
    (_is_reached_from_outside, ("externalTrafficPolicy",)),
    (
        lambda spec: _is_balanced(spec) and spec.get("externalTrafficPolicy") == "Local",
        ("healthCheckNodePort",),
    ),
    (_is_balanced, ("allocateLoadBalancerNodePorts", "loadBalancerClass")),
)


def _drop_of_old_type(spec: Obj, before: Obj) -> None:
    """Kubernetes: dropTypeDependentFields. What the client changed itself is left for validation to refuse."""
    for belongs, fields in _BELONGING:
        if belongs(before) and not belongs(spec):
            for field in fields:
                if spec.get(field) == before.get(field):
                    spec.pop(field, None)
    if _has_node_ports(before) and not _has_node_ports(spec):
        unchanged = _node_ports(before)
        for port in spec.get("ports") or ():
            if port.get("nodePort") in unchanged:
                del port["nodePort"]


def _ips(spec: Obj) -> list[str]:
    return [ip for ip in spec.get("clusterIPs") or () if ip and ip != "None"]


def _node_ports(spec: Obj) -> set[int]:
    ports = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    health = spec.get("healthCheckNodePort")
    return ports | {health} if health else ports


def _go_list(values: list[str]) -> str:
    return "[" + ",".join(f'"{value}"' for value in values) + "]"
