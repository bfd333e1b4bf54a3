"""One HTTP request and what is to be answered, as handlers see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from kube_actors.api import Obj, encoding, errors
from kube_actors.api.protobuf import envelope
from kube_actors.api.resources import Resource
from kube_actors.apiserver import yamls
from kube_actors.apiserver.audit.event import AuditEvent
from kube_actors.apiserver.metrics.requests import Labels
from kube_actors.apiserver.registry.metadata import new_uid
from kube_actors.apiserver.rest import negotiation, query
from kube_actors.apiserver.rest.paths import ResourcePath


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; a stream has been sent when its handler returns."""

    body: bytes
    code: int = 200
    content_type: str = negotiation.JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """The request with its path and query taken apart once."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.request = request
        target = request.raw_path
        self.path, _, self.query_text = target.partition("?")
        self.query = query.parse(self.query_text)
        self.body = b""
        self.verb = request.method
        self.resource_path: ResourcePath | None = None
        self.streamed: web.StreamResponse | None = None
        self.warnings: list[str] = []
        self.identifier = new_uid()
        # The event of this request in the audit log, and the Status of its refusal.
        self.audit: AuditEvent | None = None
        self.status: Obj | None = None
        # Called with the status of a long answer that begins: the audit log has a stage for it.
        self.on_stream: Callable[[int], None] = lambda status: None
        # What a refusal says besides.
        self.headers: dict[str, str] = {}

    @property
    def agent(self) -> str:
        """The program that asks."""
        return self.request.headers.get("User-Agent", "")

    @property
    def annotations(self) -> dict[str, str]:
        """What the audit log shall say besides; nobody reads it where there is no log."""
        return {} if self.audit is None else self.audit.annotations

    @property
    def labels(self) -> Labels:
        """For metrics."""
        path = self.resource_path
        if path is None:
            return Labels(self.verb)
        scope = "resource" if path.name else "namespace" if path.namespace else "cluster"
        dry_run = "All" if self.query.get("dryRun") else ""
        return Labels(self.verb, path.group, path.version, path.resource, path.subresource, scope, dry_run)

    async def read_body(self) -> None:
        """Raises HTTPRequestEntityTooLarge."""
        self.body = await self.request.read()

    def json_body(self, resource: Resource | None = None) -> bytes:
        """The body as JSON; one in YAML or protobuf is converted. Raises BadRequest or UnsupportedMediaType.

        `resource` is what the body is an object of, None for options, which have no resource.
        """
        media_type = negotiation.body_type(self.request.headers.get("Content-Type", ""))
        if media_type == negotiation.JSON or not self.body:
            return self.body
        if media_type == negotiation.PROTOBUF:
            return _from_protobuf(self.body, resource)
        try:
            return encoding.dumps(yamls.parse(self.body)[0])
        except (yamls.YamlError, TypeError) as error:
            raise errors.BadRequest(f"error converting YAML to JSON: {error}") from None

    def began(self, response: web.StreamResponse) -> None:
        """A watch, a log, a session: an answer that takes as long as it likes, and is sent by its handler."""
        self.streamed = response
        self.on_stream(response.status)

    async def begin_stream(self, content_type: str) -> web.StreamResponse:
        """Send the headers of an answer whose body comes piece by piece."""
        headers = {"Content-Type": content_type, "Cache-Control": "no-cache, private"}
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        self.began(response)
        await response.prepare(self.request)
        return response

    async def begin_relay(self, status: int, headers: Mapping[str, str]) -> web.StreamResponse:
        """Send status and headers of another server's answer; its body follows piece by piece."""
        response = web.StreamResponse(status=status, headers=headers)
        if "Content-Length" not in response.headers:
            response.enable_chunked_encoding()
        self.streamed = response
        await response.prepare(self.request)
        return response


def _from_protobuf(body: bytes, resource: Resource | None) -> bytes:
    if resource is not None and resource.custom:
        raise negotiation.unsupported(negotiation.SERVED)
    kind = resource.kind if resource is not None else "DeleteOptions"
    try:
        return encoding.dumps(envelope.decode(body, resource.api_version if resource is not None else "v1", kind))
    except envelope.DecodeError as error:
        if error.kind:
            version = error.api_version.rpartition("/")[2]
            text = f'{error.kind} in version "{version}" cannot be handled as a {kind}: {error}'
        else:
            text = f"the object provided is unrecognized (must be of type {kind}): {error} ({_summary(body)})"
        raise errors.BadRequest(text) from None
    except TypeError:
        # JSON within the message that is nested deeper than an object can be encoded.
        raise errors.BadRequest("json: exceeded max depth") from None


def _summary(body: bytes) -> str:
    """The first 30 bytes of a body that nobody can read, as Kubernetes shows them."""
    shown = body[:30]
    text = shown.decode(errors="replace") if body[:1] == b"{" else shown.hex()
    return f"{text} ..." if len(body) > len(shown) else text
