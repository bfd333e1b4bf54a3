"""A pod with scheduling gates may still be narrowed down to fewer nodes, never to others."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation.causes import Causes

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def narrowed(causes: Causes, spec: Obj, old: Obj) -> None:
    """Check nodeSelector and node affinity, and put the old ones into `spec`, so that it compares equal."""
    selector, before = spec.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if any(selector.get(key) != value for key, value in before.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        causes.invalid("spec.nodeSelector", dict(sorted(selector.items())) or None, text)
    _restore(spec, old, "nodeSelector")
    affinity, known = spec.get("affinity") or {}, old.get("affinity") or {}
    if affinity.get("nodeAffinity") == known.get("nodeAffinity"):
        return
    _affinity(causes, affinity.get("nodeAffinity") or {}, known.get("nodeAffinity") or {})
    rest = {key: value for key, value in affinity.items() if key != "nodeAffinity"}
    if "nodeAffinity" in known:
        rest["nodeAffinity"] = known["nodeAffinity"]
    if rest or "affinity" in old:
        spec["affinity"] = rest
    else:
        spec.pop("affinity", None)


def _restore(spec: Obj, old: Obj, field: str) -> None:
    spec.pop(field, None)
    if field in old:
        spec[field] = old[field]


def _affinity(causes: Causes, new: Obj, old: Obj) -> None:
    path = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
    terms, before = ((one.get(_REQUIRED) or {}).get("nodeSelectorTerms") or [] for one in (new, old))
    if before and len(terms) != len(before):
        causes.invalid(path, terms, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")
        return
    for index, (term, known) in enumerate(zip(terms, before, strict=False)):
        if not _only_adds(term, known):
            causes.invalid(f"{path}[{index}]", term, "only additions are allowed (no mutations or deletions)")


def _only_adds(term: Obj, old: Obj) -> bool:
    fields = ("matchExpressions", "matchFields")
    if not any(old.get(field) for field in fields):  # matches nothing, and has to go on so
        return not any(term.get(field) for field in fields)
    return all((term.get(field) or [])[: len(old.get(field) or ())] == (old.get(field) or []) for field in fields)
