"""CertificateSigningRequest: who wants a certificate, who approved it, and the certificate.

The spec is the requester's and never changes. Conditions Approved and Denied come through the approval subresource
alone, the certificate through status alone (pkg/apis/certificates/validation, pkg/registry/certificates).
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, View, Writer
from kube_actors.api.validation import pem
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules
from kube_actors.api.validation.signers import LEGACY_UNKNOWN, signer_name

_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip
_DECISIONS = ("Approved", "Denied")
_FINAL = (*_DECISIONS, "Failed")
_STATES = ("False", "True", "Unknown")
_SECONDS_MIN = 600


def _stamp(obj: Obj, old: Obj | None, writer: Writer) -> None:
    """A new request is its writer's, whatever it says; conditions get their times."""
    if old is None:
        extra = {key: list(values) for key, values in writer.extra.items()}
        requester = {"username": writer.name, "uid": writer.uid, "groups": list(writer.groups), "extra": extra}
        for key, value in requester.items():
            obj["spec"].pop(key, None)
            if value:
                obj["spec"][key] = value
        return
    for condition in (obj.get("status") or {}).get("conditions") or ():
        condition["lastUpdateTime"] = condition.get("lastUpdateTime") or writer.now
        condition["lastTransitionTime"] = condition.get("lastTransitionTime") or _since(condition, old) or writer.now


def _since(condition: Obj, old: Obj) -> str | None:
    """Since when the old object has the condition in this state."""
    for known in (old.get("status") or {}).get("conditions") or ():
        if all(known.get(field) == condition.get(field) for field in ("type", "status")):
            since: str | None = known.get("lastTransitionTime")
            return since
    return None


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {}


def _prepare_update(new: Obj, old: Obj) -> None:
    new["spec"] = old["spec"]


def _prepare_approval(new: Obj, old: Obj) -> None:
    """Only the conditions come from the writer."""
    conditions = (new.get("status") or {}).get("conditions") or []
    new["spec"] = old["spec"]
    new["status"] = {**(old.get("status") or {}), "conditions": conditions}
    if not conditions:
        del new["status"]["conditions"]


def _create(causes: Causes, obj: Obj) -> None:
    _spec(causes, obj["spec"])
    status = obj.get("status") or {}
    _conditions(causes, status.get("conditions") or [])
    fault = pem.certificates_fault(status.get("certificate"))
    if fault:
        causes.invalid("status.certificate", "<certificate data>", fault)


def _spec(causes: Causes, spec: Obj) -> None:
    fault = pem.request_fault(spec.get("request"))
    if fault:
        causes.invalid("spec.request", spec.get("request"), fault)
    usages = spec.get("usages") or []
    if not usages:
        causes.required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            causes.unsupported(f"spec.usages[{index}]", usage, _USAGES)
    for index, usage in enumerate(usages):
        if usage in usages[:index]:
            causes.duplicate(f"spec.usages[{index}]", usage)
    signer = spec.get("signerName", "")
    if signer == LEGACY_UNKNOWN:
        causes.invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version")
    else:
        signer_name(causes, "spec.signerName", signer)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _SECONDS_MIN:
        text = f"may not specify a duration less than {_SECONDS_MIN} seconds (10 minutes)"
        causes.invalid("spec.expirationSeconds", seconds, text)


def _conditions(causes: Causes, items: list[Obj]) -> None:
    seen: set[str] = set()
    for index, condition in enumerate(items):
        path, kind, state = f"status.conditions[{index}]", condition.get("type", ""), condition.get("status", "")
        if not kind:
            causes.required(f"{path}.type")
        allowed = ("True",) if kind in _FINAL else _STATES
        causes.one_of(f"{path}.status", state, allowed)
        if kind in _DECISIONS and any(other in seen for other in _DECISIONS if other != kind):
            causes.invalid(f"{path}.type", kind, "Approved and Denied conditions are mutually exclusive")
        if kind in seen:
            causes.duplicate(f"{path}.type", kind)
        seen.add(kind)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _changed(causes, new, old, decides=False)


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    _changed(causes, new, old, decides=False)
    before = (old.get("status") or {}).get("certificate")
    if before and before != (new.get("status") or {}).get("certificate"):
        causes.forbidden("status.certificate", "updates may not modify existing certificate content")


def _approve(causes: Causes, new: Obj, old: Obj) -> None:
    _changed(causes, new, old, decides=True)


def _changed(causes: Causes, new: Obj, old: Obj, *, decides: bool) -> None:
    """Valid as a whole; what was decided stays so, and only the approval subresource decides."""
    _create(causes, new)
    after, before = (_by_type(one) for one in (new, old))
    for kind in _FINAL:
        if kind in before and kind not in after:
            causes.forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
        elif kind in _DECISIONS and not decides and after.get(kind) != before.get(kind):
            done = "modify" if kind in before else "add"
            causes.forbidden("status.conditions", f'updates may not {done} a condition of type "{kind}"')


def _by_type(obj: Obj) -> dict[str, Obj]:
    return {one.get("type", ""): one for one in (obj.get("status") or {}).get("conditions") or ()}


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status, checks_metadata=False),
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    stamp=_stamp,
    views={"approval": View(_prepare_approval, _approve)},
)
