"""ServiceAccount: every pod runs as an account, whose token, CA and image secrets it gets.

Kubernetes: plugin/pkg/admission/serviceaccount/admission.go.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.resources import SERVICE_ACCOUNTS
from kube_actors.apiserver.admission.chain import Attributes, Lookup, find
from kube_actors.apiserver.admission.pods import NewPodPlugin, spec_of
from kube_actors.apiserver.registry.metadata import generated_name

DEFAULT = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
TOKEN_SECONDS = 3607
MIRROR = "kubernetes.io/config.mirror"


class ServiceAccount(NewPodPlugin):
    """`default` itself may be missing: its controller makes it soon after the namespace, and a pod that comes in
    between runs without a token."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def admit(self, attributes: Attributes) -> None:
        spec = spec_of(attributes)
        assert attributes.obj is not None
        if MIRROR in (attributes.obj["metadata"].get("annotations") or {}):
            _check_mirror(attributes, spec)
            return
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or DEFAULT
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._account(attributes, name)
        if account is None:
            return
        if _automount(account, spec):
            _mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [{"name": one["name"]} for one in account["imagePullSecrets"] if one.get("name")]

    async def _account(self, attributes: Attributes, name: str) -> Obj | None:
        namespace = attributes.target.namespace
        found = await find(self._lookup, SERVICE_ACCOUNTS, name, namespace)
        if found is None and name != DEFAULT:
            text = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise attributes.forbidden(text)
        return found


def _automount(account: Obj, spec: Obj) -> bool:
    """The pod says so, else the account, else yes."""
    for holder in (spec, account):
        if holder.get("automountServiceAccountToken") is not None:
            return bool(holder["automountServiceAccountToken"])
    return True


def _mount_token(spec: Obj) -> None:
    """Mount the token where containers do not mount something else there."""
    volumes = spec.get("volumes") or []
    present = next((one["name"] for one in volumes if str(one.get("name", "")).startswith(VOLUME_PREFIX)), "")
    name = present or generated_name(VOLUME_PREFIX)
    needed = False
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            mounts = container.get("volumeMounts") or []
            if any(str(mount.get("mountPath", "")) == MOUNT_PATH for mount in mounts):
                continue
            container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}]
            needed = True
    if needed and not present:
        spec["volumes"] = [*volumes, {"name": name, "projected": _projection()}]


def _projection() -> Obj:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
        ],
        "defaultMode": 420,
    }


def _check_mirror(attributes: Attributes, spec: Obj) -> None:
    """A mirror pod stands for a pod of the node's own files, which has no part in the API."""
    if spec.get("serviceAccountName"):
        raise attributes.forbidden("a mirror pod may not reference service accounts")
    if any(volume.get("secret") for volume in spec.get("volumes") or ()):
        raise attributes.forbidden("a mirror pod may not reference secrets")
