"""POST serviceaccounts/NAME/token: a new token, for audiences, for a time, with a pod, secret or node or by itself.

Kubernetes: pkg/registry/core/serviceaccount/storage/token.go, pkg/apis/authentication/validation.
"""

from __future__ import annotations

from kube_actors.aio.clock import Clock, rfc3339
from kube_actors.api import Obj, errors
from kube_actors.api.errors import Cause
from kube_actors.api.gotext import go_quote
from kube_actors.api.meta import get_path
from kube_actors.api.resources import NODES, PODS, SECRETS, SERVICE_ACCOUNTS, Resource
from kube_actors.api.tokens import Bound, Claims
from kube_actors.apiserver import decoding
from kube_actors.apiserver.admission.chain import Attributes, Chain, Lookup, Operation
from kube_actors.apiserver.registry.metadata import new_uid
from kube_actors.apiserver.request import Request
from kube_actors.apiserver.signing import Signing

TOKEN_REQUEST = Resource("authentication.k8s.io", "v1", "tokenrequests", "TokenRequest", True)
DEFAULT_SECONDS = 3600
MINIMUM, MAXIMUM = 600, 1 << 32
# What kubelet asks for where a pod does not say; such a token may live longer than it asks for.
KUBELET_SECONDS = 3607
MISMATCH = (
    "the UID in the bound object reference ({}) does not match the UID in record. "
    "The object might have been deleted and then recreated"
)


class TokenRequests:
    def __init__(self, signing: Signing | None, lookup: Lookup, admission: Chain, clock: Clock) -> None:
        """Without `signing` the server issues no tokens."""
        self._signing = signing
        self._lookup = lookup
        self._admission = admission
        self._clock = clock

    async def create(self, request: Request, data: bytes, validation: str) -> Obj:
        """The TokenRequest with its status. Raises ApiErrors."""
        signing, target = self._signing, request.target
        if signing is None:
            raise errors.NotFound("the server could not find the requested resource")
        asked = decoding.body(request, TOKEN_REQUEST, data, validation)
        spec = asked.setdefault("spec", {})
        _check_names(asked["metadata"], target.name, target.namespace)
        account = await self._find(SERVICE_ACCOUNTS, target.namespace, target.name)
        asked["metadata"] |= {"name": target.name, "namespace": target.namespace}
        attributes = Attributes(request, Operation.CREATE, asked, None, kind=TOKEN_REQUEST)
        await self._admission.admit(attributes)
        await self._admission.validate(attributes)
        spec["audiences"] = spec.get("audiences") or list(signing.audiences)
        spec.setdefault("expirationSeconds", DEFAULT_SECONDS)
        causes = _check(spec)
        if causes:
            raise errors.invalid("TokenRequest", TOKEN_REQUEST.group, "", causes)
        now = self._clock.now()
        claims = await self._claims(signing, account, spec, now)
        expires = now + spec["expirationSeconds"]
        asked["metadata"] |= {"creationTimestamp": rfc3339(now), "uid": new_uid()}
        asked["spec"] = {"boundObjectRef": None, **spec}
        asked["status"] = {"token": signing.keys.sign(claims), "expirationTimestamp": rfc3339(expires)}
        return asked

    async def _claims(self, signing: Signing, account: Obj, spec: Obj, now: float) -> Claims:
        namespace, seconds = account["metadata"]["namespace"], spec["expirationSeconds"]
        kind, bound = "", None
        if spec.get("boundObjectRef"):
            kind, bound = await self._bound(namespace, spec["boundObjectRef"])
        node = await self._node_of(bound) if kind == "Pod" and bound is not None else None
        lifetime, warn_after = seconds, 0.0
        own = set(spec["audiences"]) <= set(signing.audiences)
        if kind == "Pod" and seconds == KUBELET_SECONDS and own and signing.extended_seconds:
            lifetime, warn_after = signing.extended_seconds, now + seconds
        return Claims(
            namespace=namespace,
            account=_ref(account),
            issuer=signing.issuer,
            audiences=tuple(spec["audiences"]),
            issued=now,
            expires=now + lifetime,
            identifier=new_uid(),
            pod=_ref(bound) if kind == "Pod" and bound else None,
            secret=_ref(bound) if kind == "Secret" and bound else None,
            node=_ref(bound) if kind == "Node" and bound else node,
            warn_after=warn_after,
        )

    async def _bound(self, namespace: str, ref: Obj) -> tuple[str, Obj]:
        """(kind, object) that the token goes with."""
        kind, version = ref.get("kind") or "", ref.get("apiVersion") or ""
        known = {("v1", "Pod"): PODS, ("v1", "Secret"): SECRETS, ("v1", "Node"): NODES}
        resource = known.get((version, kind))
        if resource is None:
            group, _, short = version.rpartition("/")
            raise errors.BadRequest(f"cannot bind token to object of type {group}/{short}, Kind={kind}")
        found = await self._find(resource, namespace if resource.namespaced else "", ref.get("name") or "")
        if ref.get("uid") and ref["uid"] != found["metadata"]["uid"]:
            raise errors.conflict(kind, "", ref["name"], MISMATCH.format(ref["uid"]))
        return kind, found

    async def _node_of(self, pod: Obj) -> Bound | None:
        name = get_path(pod, "spec", "nodeName", default="")
        node = self._lookup.cached(NODES, "", name) if name else None
        return _ref(node) if node is not None else None

    async def _find(self, resource: Resource, namespace: str, name: str) -> Obj:
        found = self._lookup.cached(resource, namespace, name) or await self._lookup.read(resource, namespace, name)
        if found is None:
            raise errors.not_found(resource.plural, resource.group, name)
        return found


def _check_names(meta: Obj, name: str, namespace: str) -> None:
    for key, wanted in (("name", name), ("namespace", namespace)):
        if meta.get(key) and meta[key] != wanted:
            text = f"Invalid value: {go_quote(meta[key])}: must match the service account {key} if specified"
            cause = Cause("FieldValueInvalid", text, f"metadata.{key}")
            raise errors.invalid("TokenRequest", TOKEN_REQUEST.group, name, [cause])


def _check(spec: Obj) -> list[Cause]:
    seconds = spec["expirationSeconds"]
    text = ""
    if seconds < MINIMUM:
        text = "may not specify a duration less than 10 minutes"
    elif seconds > MAXIMUM:
        text = "may not specify a duration larger than 2^32 seconds"
    return [Cause("FieldValueInvalid", f"Invalid value: {seconds}: {text}", "spec.expirationSeconds")] if text else []


def _ref(obj: Obj) -> Bound:
    return Bound(obj["metadata"]["name"], obj["metadata"]["uid"])
