"""AdmissionReviews: what a webhook is sent, and what its answer means. Pure.

Kubernetes: k8s.io/apiserver/pkg/admission/plugin/webhook/{request,errors}.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from kube_actors.api import Obj, encoding, errors

GROUP = "admission.k8s.io"
SUPPORTED = ("v1", "v1beta1")


class BadAnswer(Exception):
    """The webhook answered something that is no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`patch` is None where the object stays as it is."""

    allowed: bool
    result: Obj | None = None
    patch: list[Any] | None = None
    warnings: tuple[str, ...] = ()
    audit_annotations: dict[str, str] = field(default_factory=dict)


def version_of(accepted: tuple[str, ...]) -> str:
    """The first version that the webhook takes and that there is. Raises BadAnswer."""
    for version in accepted:
        if version in SUPPORTED:
            return version
    raise BadAnswer("webhook does not accept known AdmissionReview versions (v1, v1beta1)")


def review(version: str, uid: str, request: Obj, obj: Obj | None, old: Obj | None) -> Obj:
    """The body of the call. `request` is as `admission_request.describe` made it."""
    body = {"uid": uid, **request, "object": obj, "oldObject": old}
    return {"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": body}


def answer(version: str, uid: str, body: Any, *, mutating: bool) -> Answer:
    """What the webhook says. Raises BadAnswer."""
    if not isinstance(body, dict):
        raise BadAnswer("expected webhook response to be an object")
    if version == "v1":
        _check_kind(version, body)
    response = body.get("response")
    if not isinstance(response, dict):
        raise BadAnswer("webhook response was absent")
    if version == "v1" and response.get("uid") != uid:
        raise BadAnswer(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
    encoded, kind = response.get("patch"), response.get("patchType")
    if version == "v1":
        _check_patch(encoded, kind, mutating=mutating)
    result = response.get("status") or response.get("result")
    allowed = response.get("allowed", False)
    if not isinstance(allowed, bool):
        raise BadAnswer("json: cannot unmarshal into Go struct field AdmissionResponse.response.allowed of type bool")
    annotations = response.get("auditAnnotations") or {}
    return Answer(
        allowed,
        result if isinstance(result, dict) else None,
        _patch(encoded) if encoded and mutating else None,
        tuple(str(one) for one in response.get("warnings") or ()),
        {str(key): str(value) for key, value in annotations.items()},
    )


def _check_kind(version: str, body: Obj) -> None:
    expected = f"{GROUP}/{version}, Kind=AdmissionReview"
    found = f"{body.get('apiVersion') or ''}, Kind={body.get('kind') or ''}"
    if found != expected:
        raise BadAnswer(f"expected webhook response of {expected}, got {found}")


def _check_patch(patch: Any, kind: Any, *, mutating: bool) -> None:
    if not mutating:
        for name, value in (("patch", patch), ("patchType", kind)):
            if value:
                raise BadAnswer(f"validating webhook may not return response.{name}")
    elif patch and kind is None:
        raise BadAnswer("webhook returned response.patch but not response.patchType")
    elif kind is not None and not patch:
        raise BadAnswer("webhook returned response.patchType but not response.patch")
    elif kind not in (None, "JSONPatch"):
        raise BadAnswer(f'invalid value of response.patchType "{kind}"; allowed value: "JSONPatch"')


def _patch(encoded: Any) -> list[Any]:
    try:
        operations = encoding.loads(base64.b64decode(str(encoded), validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadAnswer(f"the patch is no JSON: {error}") from None
    if not isinstance(operations, list):
        raise BadAnswer("the patch is no list of operations")
    return operations


def denial(hook: str, result: Obj | None) -> errors.ApiError:
    """The refusal with which a webhook's no is answered: its own Status, never below 400, with who says so."""
    result = result or {}
    text = f'admission webhook "{hook}" denied the request'
    if result.get("message"):
        text += f": {result['message']}"
    elif result.get("reason"):
        text += f": {result['reason']}"
    else:
        text += " without explanation"
    code = result.get("code")
    if not isinstance(code, int) or not 400 <= code < 600:
        code = 400
    status: Obj = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": text,
        "code": code,
    }
    status |= {key: result[key] for key in ("reason", "details") if result.get(key)}
    return errors.from_status(status)
