"""ServiceAccount: a pod that names no service account runs as `default`; one that names another needs it to exist."""

from __future__ import annotations

from kube_actors.api import errors
from kube_actors.api.resources import SERVICE_ACCOUNTS
from kube_actors.apiserver.admission.chain import Attributes, Lookup
from kube_actors.apiserver.admission.pods import new_pod_spec

DEFAULT = "default"


class ServiceAccount:
    """`default` itself may be missing: its controller makes it soon after the namespace, and nothing of it is
    needed to start the pod."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def admit(self, attributes: Attributes) -> None:
        spec = new_pod_spec(attributes)
        if spec is None:
            return
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or DEFAULT
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        if name == DEFAULT or self._lookup.cached(SERVICE_ACCOUNTS, attributes.target.namespace, name):
            return
        if await self._lookup.read(SERVICE_ACCOUNTS, attributes.target.namespace, name) is None:
            account = f"{attributes.target.namespace}/{name}"
            text = f'pods "{attributes.name}" is forbidden: error looking up service account {account}: '
            text += f'serviceaccount "{name}" not found'
            raise errors.Forbidden(text, kind="pods", name=attributes.name)

    async def validate(self, attributes: Attributes) -> None:
        """All was said in `admit`."""
