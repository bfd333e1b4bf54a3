"""Requests for resources: from method and path to an operation, from its result to an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from kube_actors.aio.clock import Clock
from kube_actors.api import errors
from kube_actors.api.resources import Resource
from kube_actors.apiserver import authz
from kube_actors.apiserver.operations import method_not_allowed
from kube_actors.apiserver.registry.registry import Written
from kube_actors.apiserver.request import Request, Target, User
from kube_actors.apiserver.resource_metrics import RESOURCES
from kube_actors.apiserver.rest import answers, negotiation, query, watches
from kube_actors.apiserver.rest.connect import negotiating
from kube_actors.apiserver.rest.connect.reading import stream_to_socket
from kube_actors.apiserver.rest.discovery import subresource_verbs, verbs_of
from kube_actors.apiserver.rest.exchange import Answer, Exchange
from kube_actors.apiserver.rest.negotiation import Form
from kube_actors.apiserver.rest.paths import ResourcePath
from kube_actors.apiserver.token_request import TOKEN_REQUEST

if TYPE_CHECKING:
    from kube_actors.apiserver.server import Pipeline

NOT_FOUND = "the server could not find the requested resource"
NOT_FOUND_PAGE = b"404 page not found\n"


class ResourceHandler:
    """Every method on every path below a group's version."""

    def __init__(self, pipeline: Pipeline, clock: Clock) -> None:
        self._pipeline = pipeline
        self._operations = pipeline.operations
        self._clock = clock
        self._methods: dict[str, Callable[[Exchange, Request], Awaitable[Answer]]] = {
            "GET": self._get,
            "POST": self._create,
            "PUT": self._update,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }

    async def answer(self, exchange: Exchange, user: User, path: ResourcePath) -> Answer:
        method = self._methods.get(exchange.request.method)
        resource = self._pipeline.resources.find(path.group, path.version, path.resource)
        if resource is None:
            return self._unknown(exchange, user, path)
        target = Target(resource, path.namespace, path.name, path.subresource)
        request = Request(user, target, exchange.warnings, exchange.annotations, agent=exchange.agent)
        verb = asked_verb(exchange, path)
        # Who may not is told so before anything else about the request.
        authz.check(self._pipeline.authorizer, user, verb, target, exchange.query.get("fieldSelector", ""))
        request.authorized = verb
        if resource.definition is not None and resource.definition.deprecation:
            request.warn(resource.definition.deprecation)
        wrong_scope = bool(path.namespace) and not resource.namespaced
        if wrong_scope or (path.name and resource.namespaced and not path.namespace):
            if resource.custom:
                return Answer(NOT_FOUND_PAGE, 404, "text/plain; charset=utf-8")
            raise not_found_path()
        if path.subresource:
            if path.subresource not in resource.subresources:
                raise not_found_path()
            if verb_of(exchange.request.method, path) not in subresource_verbs(resource, path.subresource):
                raise method_not_allowed()
        if method is None:
            raise method_not_allowed()
        return await method(exchange, request)

    def _unknown(self, exchange: Exchange, user: User, path: ResourcePath) -> Answer:
        """404 in one of two forms, and only for those who might have asked."""
        verb = asked_verb(exchange, path)
        target = Target(unserved(path), path.namespace, path.name, path.subresource)
        authz.check(self._pipeline.authorizer, user, verb, target)
        groups = {resource.group for resource in self._pipeline.resources}
        known_version = any(
            resource.group == path.group and resource.version == path.version for resource in self._pipeline.resources
        )
        if path.group not in groups or (not path.group and not known_version) or self._is_custom(path.group):
            return Answer(NOT_FOUND_PAGE, 404, "text/plain; charset=utf-8")
        raise not_found_path()

    def _is_custom(self, group: str) -> bool:
        """Whether all that the group has are custom resources."""
        return all(resource.custom for resource in self._pipeline.resources if resource.group == group)

    async def _get(self, exchange: Exchange, request: Request) -> Answer:
        path = exchange.resource_path
        assert path is not None
        if path.subresource == "log":
            return await self._logs(exchange, request)
        # ?watch of one object by its path is a GET; the old /watch/ prefix and a field selector watch one object.
        watch = path.watch or (not path.name and query.is_true(exchange.query, "watch"))
        if watch and not path.subresource:
            return await self._watch(exchange, request)
        form = _form(exchange, request)
        include = exchange.query.get("includeObject", "")
        if path.name:
            exchange.verb = "GET"
            if form.shape == "PartialObjectMetadataList":
                raise negotiation.shape_refused(form.shape, f"not a list ({_go_type(request.target.resource)})")
            version = exchange.query.get("resourceVersion", "")
            data = await self._operations.get(request, version, kept=bool(form.shape))
            return self._object(request, data, form, include)
        exchange.verb = "LIST"
        if form.shape == "PartialObjectMetadata":
            raise negotiation.shape_refused(form.shape, f"a list ({_go_type(request.target.resource, 'List')})")
        page = await self._operations.list(request, query.listing(exchange.query))
        if form.media_type == negotiation.PROTOBUF and not form.shape:
            body = await answers.protobuf_list(request.target.resource, page)
            return Answer(body, content_type=form.media_type)
        body = answers.list_body(request.target.resource, page, form, self._clock.now(), include)
        return Answer(answers.rendered(body, form), content_type=form.media_type)

    async def _watch(self, exchange: Exchange, request: Request) -> Answer:
        exchange.verb = "WATCH"
        form = _form(exchange, request)
        session = await self._operations.watch(request, query.listing(exchange.query))
        response = await exchange.begin_stream(watches.content_type(form))
        include = exchange.query.get("includeObject", "")
        encode = watches.encoder(request.target.resource, form, include, self._clock.now)
        await watches.stream(response, session, encode)
        return Answer(b"")

    async def _logs(self, exchange: Exchange, request: Request) -> Answer:
        exchange.verb = "CONNECT"
        chunks = await self._pipeline.logs.open(request, query.logs(exchange.query))
        if chunks is None:
            return Answer(b"", 204, "text/plain")
        if negotiating.upgrade_of(exchange.request) == negotiating.WEBSOCKET:
            return await stream_to_socket(exchange, chunks)
        response = await exchange.begin_stream("text/plain")
        try:
            async for chunk in chunks:
                await response.write(chunk)
            await response.write_eof()
        finally:
            await chunks.aclose()  # type: ignore[attr-defined]
        return Answer(b"")

    async def _create(self, exchange: Exchange, request: Request) -> Answer:
        exchange.verb = "POST"
        target = request.target
        if target.name and not target.subresource:
            raise method_not_allowed()
        if target.resource.namespaced and not target.namespace:
            raise method_not_allowed()
        form = _form(exchange, request)
        body = exchange.json_body(TOKEN_REQUEST if target.subresource == "token" else target.resource)
        written = await self._operations.create(request, body, query.write(exchange.query, "CreateOptions"))
        return self._written(request, written, form)

    async def _update(self, exchange: Exchange, request: Request) -> Answer:
        if not request.target.name:
            raise method_not_allowed()
        form = _form(exchange, request)
        body = exchange.json_body(request.target.resource)
        written = await self._operations.update(request, body, query.write(exchange.query, "UpdateOptions"))
        return self._written(request, written, form)

    async def _patch(self, exchange: Exchange, request: Request) -> Answer:
        if not request.target.name:
            raise method_not_allowed()
        form = _form(exchange, request)
        kind = exchange.request.headers.get("Content-Type", "").partition(";")[0].strip()
        options = query.write(exchange.query, "PatchOptions")
        written = await self._operations.patch(request, kind, exchange.body, options)
        return self._written(request, written, form)

    async def _delete(self, exchange: Exchange, request: Request) -> Answer:
        form = _form(exchange, request)
        options = query.deletion(exchange.query, exchange.json_body())
        if request.target.name:
            data = await self._operations.delete(request, options)
            return self._object(request, data, form, "")
        exchange.verb = "DELETECOLLECTION"
        if "deletecollection" not in verbs_of(request.target.resource):
            raise method_not_allowed()
        data = await self._operations.delete_collection(request, query.listing(exchange.query), options)
        return Answer(answers.rendered(data, form), content_type=form.media_type)

    def _written(self, request: Request, written: Written, form: Form) -> Answer:
        answer = self._object(request, written.data, form, "")
        return Answer(answer.body, 201, answer.content_type) if written.created else answer

    def _object(self, request: Request, data: bytes, form: Form, include: str) -> Answer:
        resource = request.target.resource
        body = answers.object_body(resource, data, form, self._clock.now(), include)
        return Answer(answers.rendered(body, form), content_type=form.media_type)


def not_found_path() -> errors.NotFound:
    """A path below a group that is served, to nothing that is."""
    return errors.NotFound(NOT_FOUND, status={**errors.NotFound(NOT_FOUND).status(), "details": {}})


def _form(exchange: Exchange, request: Request) -> Form:
    """The form of the answer. Raises NotAcceptable."""
    accept = exchange.request.headers.get("Accept", "")
    path = exchange.resource_path
    streams = exchange.request.method == "GET" and path is not None and not path.name
    negotiation.check_routable(accept, streams=streams)
    # Nobody published a protobuf form of custom resources, nor here of metrics.
    resource = request.target.resource
    return negotiation.accepted(accept, protobuf=True, custom=resource.custom or resource in RESOURCES)


def _go_type(resource: Resource, suffix: str = "") -> str:
    """The type of kube-apiserver that holds such an object, which some of its messages name."""
    if resource.custom:
        return f"*unstructured.Unstructured{suffix}"
    package = resource.group.partition(".")[0] or "core"
    return f"*{'core' if package == 'events' else package}.{resource.kind}{suffix}"


def is_long(exchange: Exchange, path: ResourcePath) -> bool:
    """Whether the answer may take as long as it likes: a watch, or a log."""
    if exchange.request.method != "GET":
        return False
    return path.watch or path.subresource == "log" or (not path.name and query.is_true(exchange.query, "watch"))


def asked_verb(exchange: Exchange, path: ResourcePath) -> str:
    """The verb as authorization knows it: a list with ?watch is a watch."""
    verb = verb_of(exchange.request.method, path)
    return "watch" if verb == "list" and query.is_true(exchange.query, "watch") else verb


def verb_of(method: str, path: ResourcePath) -> str:
    """What a request does, in authorization's words."""
    if method == "GET":
        return "watch" if path.watch else "get" if path.name else "list"
    if method == "DELETE":
        return "delete" if path.name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(method, method.lower())


def unserved(path: ResourcePath) -> Resource:
    """A stand-in for what is not served, for the words of a refusal."""
    return Resource(path.group, path.version, path.resource, path.resource, bool(path.namespace))
