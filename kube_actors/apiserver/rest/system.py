"""Paths that are about no resource: discovery, OpenAPI, version, health, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from kube_actors.api import encoding, tokens
from kube_actors.apiserver import authz, version
from kube_actors.apiserver.operations import method_not_allowed
from kube_actors.apiserver.request import User
from kube_actors.apiserver.rest import answers, negotiation, openapi
from kube_actors.apiserver.rest.discovery import Discovery
from kube_actors.apiserver.rest.exchange import Answer, Exchange
from kube_actors.apiserver.rest.health import Health
from kube_actors.apiserver.rest.openapi import OpenApi
from kube_actors.apiserver.rest.resources import NOT_FOUND_PAGE, not_found_path
from kube_actors.apiserver.signing import Signing

if TYPE_CHECKING:
    from kube_actors.apiserver.server import Pipeline

TEXT = "text/plain; charset=utf-8"
OPENID, JWKS = "/.well-known/openid-configuration", "/openid/v1/jwks"
JWKS_TYPE = "application/jwk-set+json"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class SystemHandler:
    def __init__(self, pipeline: Pipeline, health: Health, address: Callable[[], str]) -> None:
        """`address` is the URL by which others reach this server."""
        self._address = address
        self._pipeline = pipeline
        self._health = health
        self._discovery = Discovery(pipeline.resources, pipeline.remotes.known)
        self._openapi = OpenApi(pipeline.resources, pipeline.remotes.known)

    async def answer(self, exchange: Exchange, user: User) -> Answer:
        path = exchange.path
        authz.check_path(self._pipeline.authorizer, user, exchange.request.method.lower(), path)
        if exchange.request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        if self._health.knows(path):
            asked = parse_qs(exchange.query_text, keep_blank_values=True)
            exclude = asked.get("exclude", ())
            code, text = await self._health.answer(path, verbose="verbose" in asked, exclude=exclude)
            return Answer(text.encode(), code, TEXT, {"X-Content-Type-Options": "nosniff"})
        parts = [part for part in path.split("/") if part]
        if parts[:1] == ["openapi"]:
            return self._openapi_answer(exchange, parts[1:])
        if parts[:1] in (["api"], ["apis"]):
            return self._discovery_answer(exchange, parts)
        if parts == ["version"]:
            return Answer(encoding.dumps(version.info()))
        if path.rstrip("/") in (OPENID, JWKS) and self._pipeline.signing is not None:
            return self._openid_answer(path.rstrip("/"), self._pipeline.signing)
        if parts == ["metrics"]:
            return Answer(self._pipeline.metrics.render(self._health.results()), content_type=METRICS_TYPE)
        if not parts:
            return Answer(encoding.dumps({"paths": self._paths()}))
        return Answer(NOT_FOUND_PAGE, 404, TEXT)

    def _openid_answer(self, path: str, signing: Signing) -> Answer:
        """How others verify service-account tokens."""
        headers = {"Cache-Control": "public, max-age=3600"}
        if path == JWKS:
            return Answer(encoding.dumps(signing.keys.jwks()), content_type=JWKS_TYPE, headers=headers)
        document = tokens.metadata(signing.issuer, self._address() + JWKS, signing.keys)
        return Answer(encoding.dumps(document), headers=headers)

    def _discovery_answer(self, exchange: Exchange, parts: list[str]) -> Answer:
        accept = exchange.request.headers.get("Accept", "")
        if len(parts) == 1:
            form = negotiation.discovery(accept)
            if form:
                kind = f"application/json;g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList"
                body = self._discovery.aggregated(core=parts == ["api"], form=form)
                return Answer(body, content_type=kind, headers={"Vary": "Accept"})
            body = self._discovery.api_versions() if parts == ["api"] else self._discovery.groups()
            return self._rendered(body, accept)
        if parts[0] == "api":
            found = self._discovery.version("", parts[1])
            if found is None:
                raise not_found_path()
            return self._rendered(found, accept)
        group = self._discovery.group(parts[1])
        if group is None:
            return Answer(NOT_FOUND_PAGE, 404, TEXT)
        if len(parts) == 2:
            return self._rendered(group, accept)
        listed = self._discovery.version(parts[1], parts[2])
        if listed is None:
            raise not_found_path()
        return self._rendered(listed, accept)

    def _openapi_answer(self, exchange: Exchange, parts: list[str]) -> Answer:
        if parts == ["v2"] and openapi.V2_PROTOBUF in exchange.request.headers.get("Accept", ""):
            return Answer(openapi.V2_HEAD, content_type=openapi.V2_ANSWER, headers={"Vary": "Accept"})
        document = self._openapi.document(parts)
        if document is None:
            return Answer(NOT_FOUND_PAGE, 404, TEXT)
        headers = {"ETag": document.etag, "Vary": "Accept"}
        if document.etag in exchange.request.headers.get("If-None-Match", ""):
            return Answer(b"", 304, document.content_type, headers)
        if exchange.query.get("hash"):
            headers["Cache-Control"] = "public, immutable"
        return Answer(document.body, 200, document.content_type, headers)

    def _rendered(self, body: bytes, accept: str) -> Answer:
        form = negotiation.accepted(accept)
        return Answer(answers.rendered(body, form), content_type=form.media_type, headers={"Vary": "Accept"})

    def _paths(self) -> list[str]:
        groups = {(one.group, one.version) for one in self._pipeline.resources}
        found = {"/api", "/apis", "/version", "/metrics", "/openapi/v2", "/openapi/v3", *self._health.paths()}
        for group, one in groups:
            found.add(f"/apis/{group}/{one}" if group else f"/api/{one}")
            found.update({f"/apis/{group}"} if group else ())
        return sorted(found)
