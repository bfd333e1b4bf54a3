"""Whether node selector terms, and a pod's nodeSelector and required node affinity, take a node. Pure.

The scheduler has the same rule over columns of nodes; this one asks about one node.
"""

from __future__ import annotations

from collections.abc import Mapping

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, labels_of, name_of

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def takes(spec: Obj, node: Obj) -> bool:
    """`spec` is a pod's. No required terms: every node; terms that are empty: none."""
    labels = labels_of(node)
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    required = get_path(spec, "affinity", "nodeAffinity", REQUIRED)
    if required is None:
        return True
    return selects(required, node)


def selects(selector: Obj, node: Obj) -> bool:
    """Whether any term of a NodeSelector matches; `selector` is core/v1 NodeSelector."""
    return any(_term_matches(term, node) for term in selector.get("nodeSelectorTerms") or ())


def _term_matches(term: Obj, node: Obj) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    values = {"metadata.name": name_of(node)}
    return all(_holds(each, labels_of(node)) for each in expressions) and all(_holds(each, values) for each in fields)


def _holds(requirement: Obj, values: Mapping[str, str]) -> bool:
    operator, wanted = requirement.get("operator"), requirement.get("values") or ()
    value = values.get(requirement.get("key", ""))
    if operator == "In":
        return value is not None and value in wanted
    if operator == "NotIn":
        return value is None or value not in wanted
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    return value is not None and _compares(operator, value, wanted[0] if wanted else "")


def _compares(operator: str | None, value: str, bound: str) -> bool:
    try:
        number, limit = int(value), int(bound)
    except ValueError:
        return False
    return number > limit if operator == "Gt" else operator == "Lt" and number < limit
