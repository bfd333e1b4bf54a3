"""Calls in the audit log, as the REST requests that they stand for.

Where no log is configured there is no `Recorder`, and nothing is recorded.
Kubernetes: k8s.io/apiserver/pkg/endpoints/filters/audit.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from urllib.parse import unquote, urlencode

from kube_actors.api import encoding, errors
from kube_actors.api.resources import PODS
from kube_actors.apiserver.audit.audit import Audit
from kube_actors.apiserver.audit.event import HUNG_UP, RESPONSE, AuditEvent
from kube_actors.apiserver.audit.policy import Asked
from kube_actors.apiserver.failures import as_api_error, internal
from kube_actors.apiserver.registry.metadata import new_uid
from kube_actors.apiserver.request import User
from kube_actors.rpc.pb import api_pb2 as pb


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: `user` is who the call counts as, `asker` who authenticated; the rest is for the audit log."""

    user: User
    asker: User
    source: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a call asks for: a verb on what `ref` points to, or on `path`, which is about no resource."""

    verb: str
    ref: pb.Ref | None = None
    path: str = ""
    body: bytes = b""
    query: tuple[tuple[str, str], ...] = ()

    @property
    def uri(self) -> str:
        """Of the REST request that asks for the same."""
        path = self.path if self.ref is None else _path(self.ref)
        query = urlencode([(key, value) for key, value in self.query if value])
        return f"{path}?{query}" if query else path


class Record:
    """One call on its way to its answer; without an event there is nobody who reads what it is told."""

    def __init__(self, event: AuditEvent | None = None, audit: Audit | None = None) -> None:
        self._event = event
        self._audit = audit
        self.annotations: dict[str, str] = {} if event is None else event.annotations
        self._code, self._response, self._long = 200, b"", False

    @property
    def wants_response(self) -> bool:
        """Whether the answer itself is to be in the log."""
        return self._event is not None and self._event.decision.level >= RESPONSE

    def started(self, code: int = 200) -> None:
        """A long answer has begun."""
        self._code, self._long = code, True
        if self._event is not None and self._audit is not None:
            self._audit.started(self._event, code)

    def answered(self, response: bytes, code: int = 200) -> None:
        self._code, self._response = code, response

    def end(self) -> None:
        self._end(self._code, self._response)

    def refused(self, error: errors.ApiError) -> None:
        status = error.status()
        self._end(error.code, encoding.dumps(status), status)

    def hung_up(self) -> None:
        """The client went away: a stream ends by it, any other call was not answered."""
        if self._long:
            self.end()
        else:
            self.refused(errors.Timeout(HUNG_UP))

    def _end(self, code: int, response: bytes, status: dict[str, object] | None = None) -> None:
        if self._event is not None and self._audit is not None:
            self._audit.end(self._event, code, response, status)


class Recorder:
    """Records calls: `with recorder.call(caller, wanted) as record`."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    @contextmanager
    def call(self, caller: Caller, wanted: Wanted) -> Iterator[Record]:
        event = self._begin(caller, wanted)
        if event is None:
            yield Record()
            return
        record = Record(event, self._audit)
        try:
            yield record
        except errors.KubeActorsError as error:
            record.refused(as_api_error(error))
            raise
        except (asyncio.CancelledError, GeneratorExit):
            record.hung_up()
            raise
        except Exception:
            record.refused(internal("the server's log has the details"))
            raise
        record.end()

    def _begin(self, caller: Caller, wanted: Wanted) -> AuditEvent | None:
        ref = wanted.ref
        if ref is None:
            asked = Asked(caller.asker, wanted.verb, path=wanted.path)
        else:
            asked = Asked(
                caller.asker, wanted.verb, ref.group, ref.resource, ref.subresource, ref.namespace, ref.name
            )  # fmt: skip
        version = "" if ref is None else ref.version
        event = self._audit.begin(asked, new_uid(), wanted.uri, caller.source, caller.agent, version)
        if event is not None:
            event.request_body = wanted.body
            if caller.user is not caller.asker:
                event.impersonated = caller.user
        return event


def recorded(recorder: Recorder | None, caller: Caller, wanted: Wanted) -> AbstractContextManager[Record]:
    """The record of one call; an idle one where there is no audit log."""
    return nullcontext(Record()) if recorder is None else recorder.call(caller, wanted)


def pod_ref(namespace: str, name: str, subresource: str) -> pb.Ref:
    """A subresource of a pod, which some calls name otherwise."""
    return pb.Ref(
        version=PODS.version, resource=PODS.plural, namespace=namespace, name=name, subresource=subresource
    )  # fmt: skip


def selection(message: pb.ListRequest | pb.WatchRequest | pb.DeleteCollectionRequest) -> tuple[tuple[str, str], ...]:
    """The selectors, as a query has them."""
    return (("labelSelector", message.label_selector), ("fieldSelector", message.field_selector))


def address_of(peer: str) -> str:
    """The IP address of gRPC's name of a peer: `ipv4:10.0.0.1:33`, `ipv6:%5B::1%5D:33`; empty for a Unix socket."""
    family, _, rest = peer.partition(":")
    if family not in ("ipv4", "ipv6"):
        return ""
    return unquote(rest).rpartition(":")[0].strip("[]")


def _path(ref: pb.Ref) -> str:
    root = f"/apis/{ref.group}/{ref.version}" if ref.group else f"/api/{ref.version}"
    namespace = f"/namespaces/{ref.namespace}" if ref.namespace else ""
    parts = [part for part in (ref.resource, ref.name, ref.subresource) if part]
    return "/".join((root + namespace, *parts))
