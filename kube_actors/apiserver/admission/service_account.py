"""ServiceAccount: a pod that names no service account runs as `default`; one that names another needs it to exist."""

from __future__ import annotations

from kube_actors.api.resources import SERVICE_ACCOUNTS
from kube_actors.apiserver.admission.chain import Attributes, Lookup, find
from kube_actors.apiserver.admission.pods import NewPodPlugin, spec_of

DEFAULT = "default"


class ServiceAccount(NewPodPlugin):
    """`default` itself may be missing: its controller makes it soon after the namespace, and nothing of it is
    needed to start the pod."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def admit(self, attributes: Attributes) -> None:
        spec = spec_of(attributes)
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or DEFAULT
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        namespace = attributes.target.namespace
        if name != DEFAULT and await find(self._lookup, SERVICE_ACCOUNTS, name, namespace) is None:
            text = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise attributes.forbidden(text)
