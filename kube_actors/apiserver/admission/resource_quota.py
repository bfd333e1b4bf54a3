"""ResourceQuota: what would use more than a quota of its namespace allows is refused, the rest is charged.

The last of all plugins: what others refuse is never charged.
"""

from __future__ import annotations

from kube_actors.aio.clock import Clock
from kube_actors.api.resources import EVENTS, PODS, SERVICES, Resource
from kube_actors.apiserver.admission.chain import Attributes, Operation, Plugin
from kube_actors.apiserver.admission.quota_evaluation import CLAIMS, Charge, Refused
from kube_actors.apiserver.admission.quota_ledger import QuotaLedger


class ResourceQuota(Plugin):
    def __init__(self, ledger: QuotaLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        """Any new object of a namespace; and updates that can use more."""
        if operation is Operation.CREATE:
            return resource.namespaced and not subresource and resource.kind != EVENTS.kind
        if operation is not Operation.UPDATE:
            return False
        if resource is PODS:
            return subresource == "resize"
        return resource in (SERVICES, CLAIMS) and not subresource

    async def validate(self, attributes: Attributes) -> None:
        namespace = attributes.target.namespace
        if not self._ledger.counts(namespace):
            return
        assert attributes.obj is not None
        charge = Charge(attributes.resource, attributes.obj, attributes.old, self._clock.now())
        try:
            await self._ledger.charge(namespace, charge, dry_run=attributes.dry_run)
        except Refused as refused:
            raise attributes.forbidden(str(refused)) from None
