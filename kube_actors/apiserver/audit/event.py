"""audit.k8s.io/v1 Events. Kubernetes: k8s.io/apiserver/pkg/audit/request.go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kube_actors.aio.clock import rfc3339_micro
from kube_actors.api import Obj, encoding
from kube_actors.apiserver.audit.policy import LEVELS, Asked, Decision
from kube_actors.apiserver.request import User
from kube_actors.apiserver.reviews import user_info

REQUEST, RESPONSE = LEVELS.index("Request"), LEVELS.index("RequestResponse")
# What a request is refused with whose client did not wait for the answer.
HUNG_UP = "Timeout: request did not complete within requested timeout - context canceled"
# Larger bodies are not written.
MAX_BODY = 1 << 20


@dataclass(slots=True)
class AuditEvent:
    """One request on its way. `impersonated` is who it counts as, where that is not who asked."""

    identifier: str
    decision: Decision
    asked: Asked
    uri: str
    sources: tuple[str, ...]
    agent: str
    received: float
    version: str = ""
    impersonated: User | None = None
    request_body: bytes = b""
    annotations: dict[str, str] = field(default_factory=dict)

    def line(self, stage: str, now: float, code: int = 0, response: bytes = b"", status: Obj | None = None) -> bytes:
        """The event of one stage, as JSON."""
        event: Obj = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": LEVELS[self.decision.level],
            "auditID": self.identifier,
            "stage": stage,
            "requestURI": self.uri,
            "verb": self.asked.verb,
            "user": user_info(self.asked.user),
        }
        if self.impersonated is not None:
            event["impersonatedUser"] = user_info(self.impersonated)
        event |= {"sourceIPs": list(self.sources), "userAgent": self.agent}
        if not self.asked.path:
            event["objectRef"] = self._object_ref()
        if code:
            event["responseStatus"] = {"metadata": {}, **_short(status), "code": code}
        if self.decision.level >= REQUEST and self.request_body:
            event["requestObject"] = self._body(self.request_body)
        if self.decision.level >= RESPONSE and response and code:
            event["responseObject"] = self._body(response)
        event["requestReceivedTimestamp"] = rfc3339_micro(self.received)
        event["stageTimestamp"] = rfc3339_micro(now)
        if self.annotations and code:
            event["annotations"] = dict(self.annotations)
        return encoding.dumps(event)

    def _object_ref(self) -> Obj:
        asked = self.asked
        parts: Mapping[str, str] = {
            "resource": asked.resource,
            "namespace": asked.namespace,
            "name": asked.name,
            "apiGroup": asked.group,
            "apiVersion": self.version,
            "subresource": asked.subresource,
        }
        return {key: value for key, value in parts.items() if value}

    def _body(self, data: bytes) -> Obj | None:
        if len(data) > MAX_BODY:
            return None
        try:
            body = encoding.loads(data)
        except ValueError:
            return None
        if not isinstance(body, dict):
            return None
        if self.decision.omit_managed_fields:
            for obj in (body, *(body.get("items") or ())):
                if isinstance(obj, dict) and isinstance(obj.get("metadata"), dict):
                    obj["metadata"].pop("managedFields", None)
        return body


def _short(status: Obj | None) -> Obj:
    """Of a refusal's Status what the event says."""
    return {key: status[key] for key in ("status", "message", "reason", "details") if key in status} if status else {}
