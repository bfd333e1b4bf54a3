"""Conversion webhooks: asked before objects are needed in another version, so that what needs them need not wait.

    prepare(resource, entries)   stored objects, in the version that `resource` serves
    prepare_write(resource, obj) an object, in the version that is stored

Both do nothing for all other resources. Answers are kept with the definition, by the bytes that were asked for: a
conversion is a function of the object. `api.crd.conversion` finds them there.
Kubernetes: k8s.io/apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj, encoding, errors
from kube_actors.api.crd import defaulting
from kube_actors.api.crd.definition import Definition
from kube_actors.api.resources import Resource
from kube_actors.apiserver.cache.entry import Entry
from kube_actors.apiserver.registry.metadata import new_uid
from kube_actors.apiserver.webhooks.client import CallFailed, WebhookClient

SECONDS = 30.0
BATCH = 500
_REVIEW = "apiextensions.k8s.io/v1"
# What of the metadata a webhook may change.
_OWN_METADATA = ("labels", "annotations")


class Conversions:
    def __init__(self, client: WebhookClient) -> None:
        self._client = client

    async def prepare(self, resource: Resource, entries: Iterable[Entry]) -> None:
        """Raises ApiError for a webhook that fails."""
        if resource.definition is not None and resource.definition.definition.webhook is not None:
            await self.prepare_bytes(resource, [entry.data for entry in entries])

    async def prepare_bytes(self, resource: Resource, stored: list[bytes]) -> None:
        """As `prepare`, for the bytes of stored objects."""
        served = resource.definition
        if served is None or served.definition.webhook is None:
            return
        missing: dict[bytes, Obj] = {}
        for data in stored:
            obj = encoding.loads(data)
            version = obj["apiVersion"].rpartition("/")[2]
            if version == resource.version or served.definition.converted.has(resource.version, data):
                continue
            schema = served.definition.schemas.get(version)
            if schema is not None and schema.has_defaults:
                defaulting.apply_defaults(schema, obj, root=True)
            missing[data] = obj
        await self._fill(served.definition, resource, resource.version, missing)

    async def prepare_write(self, resource: Resource, obj: Obj) -> None:
        """Raises ApiError for a webhook that fails."""
        served = resource.definition
        if served is None or served.definition.webhook is None:
            return
        version = served.definition.storage_version
        if version != resource.version:
            await self._fill(served.definition, resource, version, {encoding.dumps(obj): obj})

    async def _fill(self, definition: Definition, resource: Resource, version: str, wanted: dict[bytes, Obj]) -> None:
        keys = list(wanted)
        definition.converted.make_room(len(keys))
        for begin in range(0, len(keys), BATCH):
            batch = keys[begin : begin + BATCH]
            converted = await self._ask(definition, resource, version, [wanted[key] for key in batch])
            for key, obj in zip(batch, converted, strict=True):
                definition.converted.put(version, key, obj)

    async def _ask(self, definition: Definition, resource: Resource, version: str, objects: list[Obj]) -> list[Obj]:
        webhook = definition.webhook
        assert webhook is not None
        uid, desired = new_uid(), f"{resource.group}/{version}"
        request = {"uid": uid, "desiredAPIVersion": desired, "objects": objects}
        review = {"kind": "ConversionReview", "apiVersion": _REVIEW, "request": request}
        try:
            answer = await self._client.call(webhook["clientConfig"], review, SECONDS)
            return _converted(answer, uid, desired, objects)
        except (CallFailed, _BadAnswer) as error:
            source = objects[0]["apiVersion"]
            raise errors.ApiError(f"conversion webhook for {source}, Kind={resource.kind} failed: {error}") from None


class _BadAnswer(Exception):
    """The webhook's answer does not hold what was asked for."""


def _converted(answer: object, uid: str, desired: str, sources: list[Obj]) -> list[Obj]:
    response = answer.get("response") if isinstance(answer, dict) else None
    if not isinstance(response, dict):
        raise _BadAnswer("no response provided")
    if response.get("uid") != uid:
        raise _BadAnswer(f'expected response.uid "{uid}", got "{response.get("uid")}"')
    result = response.get("result") or {}
    if result.get("status") != "Success":
        raise _BadAnswer(result.get("message") or "the webhook gave no reason")
    objects = response.get("convertedObjects") or []
    if len(objects) != len(sources):
        raise _BadAnswer(f"expected {len(sources)} converted objects, got {len(objects)}")
    return [
        _checked(obj, source, desired, place) for place, (obj, source) in enumerate(zip(objects, sources, strict=True))
    ]


def _checked(obj: Obj, source: Obj, desired: str, place: int) -> Obj:
    """The object with the metadata that a webhook may not change."""
    if not isinstance(obj, dict) or obj.get("apiVersion") != desired:
        found = obj.get("apiVersion") if isinstance(obj, dict) else obj
        raise _BadAnswer(f"invalid groupVersion at index {place}: expected {desired}, got {found}")
    if obj.get("kind") != source["kind"]:
        raise _BadAnswer(f"invalid kind at index {place}: expected {source['kind']}, got {obj.get('kind')}")
    own = obj.get("metadata") or {}
    for field in ("name", "namespace", "uid"):
        if own.get(field) != source["metadata"].get(field):
            raise _BadAnswer(f"invalid metadata of object at index {place}: must have the same {field}")
    metadata = {key: value for key, value in source["metadata"].items() if key not in _OWN_METADATA}
    metadata |= {key: own[key] for key in _OWN_METADATA if own.get(key)}
    return {**obj, "metadata": metadata}
