"""ServiceCIDRs: ready while they are there, held by a finalizer while addresses of Services depend on them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.meta import condition, is_deleting, name_of
from kube_actors.api.resources import builtin
from kube_actors.controllers import conditions
from kube_actors.controllers.actions import Action, UpdateObject, UpdateStatus
from kube_actors.controllers.base import Context, Controller, On

SERVICE_CIDRS = builtin("networking.k8s.io/v1", "servicecidrs")
ADDRESSES = builtin("networking.k8s.io/v1", "ipaddresses")
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
READY_TEXT = "Kubernetes Service CIDR is ready"
HELD_TEXT = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


def covers(cidr: Obj, address: str) -> bool:
    """Whether one of the ranges of a ServiceCIDR has the address."""
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(each) for each in cidr["spec"].get("cidrs") or ())


def depends(cidr: Obj, others: Iterable[Obj], addresses: Iterable[str]) -> bool:
    """Whether an address lies in this ServiceCIDR and in no other that stays."""
    staying = [each for each in others if name_of(each) != name_of(cidr) and not is_deleting(each)]
    return any(covers(cidr, ip) and not any(covers(each, ip) for each in staying) for ip in addresses)


def plan(cidr: Obj, *, in_use: bool, now: float) -> list[Action]:
    """The next write for a ServiceCIDR."""
    metadata = cidr["metadata"]
    present = list(metadata.get("finalizers") or ())
    if not is_deleting(cidr):
        if FINALIZER not in present:
            return [UpdateObject(SERVICE_CIDRS, cidr | {"metadata": metadata | {"finalizers": [*present, FINALIZER]}})]
        return _say(cidr, "True", "", READY_TEXT, now)
    if in_use:
        return _say(cidr, "False", "Terminating", HELD_TEXT, now)
    if FINALIZER not in present:
        return []
    left = [each for each in present if each != FINALIZER]
    return [UpdateObject(SERVICE_CIDRS, cidr | {"metadata": metadata | {"finalizers": left}})]


def _say(cidr: Obj, status: str, reason: str, message: str, now: float) -> list[Action]:
    ready = condition(cidr, "Ready")
    if ready is not None and (ready["status"], ready.get("reason") or "") == (status, reason):
        return []
    old = (cidr.get("status") or {}).get("conditions") or ()
    new = conditions.put(old, conditions.make("Ready", status, reason, message, now))
    return [UpdateStatus(SERVICE_CIDRS, cidr | {"status": {"conditions": new}})]


class ServiceCIDRsController(Controller):
    """Keys are ServiceCIDRs."""

    name = "service-cidrs"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.cidrs = self.informer(SERVICE_CIDRS)
        self.addresses = self.informer(ADDRESSES)
        self.cidrs.add_handler(On(self._all, lambda old, new: self.enqueue(new), self._all))
        self.addresses.add_handler(On(lambda address: None, lambda old, new: None, self._all))

    def _all(self, changed: Obj) -> None:
        """A ServiceCIDR that came or an address that went may free others."""
        for each in self.cidrs.list():
            self.enqueue(each)

    async def sync(self, key: str) -> None:
        cidr = self.cidrs.get(key)
        if cidr is None:
            return
        addresses = [name_of(each) for each in self.addresses.list()]
        in_use = is_deleting(cidr) and depends(cidr, self.cidrs.list(), addresses)
        (await self.perform(key, plan(cidr, in_use=in_use, now=self.clock.now()))).raise_error()
