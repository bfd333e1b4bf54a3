"""NodeAffinity: nodeSelector, required and preferred node affinity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kube_actors.scheduler.columns.arrays import Bools, Ints, Rows
from kube_actors.scheduler.columns.interned import LabelColumns
from kube_actors.scheduler.columns.nodes import NAME_LABEL, Nodes
from kube_actors.scheduler.framework import ClusterEvent, Normalize, Rejection, Scope
from kube_actors.scheduler.shape import Shape

REASON = "node(s) didn't match Pod's node affinity/selector"
CONFLICT = "pod affinity terms conflict"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"

Term = Mapping[str, Any]


class NodeAffinity:
    name = "NodeAffinity"
    scope = Scope.NODE
    events = ClusterEvent.NODE_ADD | ClusterEvent.NODE_LABEL
    normalize = Normalize.UP

    def prefilter(self, shape: Shape, nodes: Nodes) -> Bools | str | None:
        """Where every term names nodes (as a DaemonSet's pods do), only these are considered."""
        terms = _required_terms(shape)
        named = [_names(term) for term in terms or ()]
        wanted: set[str] = set()
        for names in named:
            if names is None:
                return None
            wanted |= names
        if not named:
            return None
        if not wanted:
            return CONFLICT
        return nodes.names_column.match_values(NAME_LABEL, wanted, nodes.all)

    def filter(self, shape: Shape, nodes: Nodes, rows: Rows) -> Sequence[Rejection]:
        terms = _required_terms(shape)
        if not shape.node_selector and terms is None:
            return ()
        matching = np.ones(nodes.valid[rows].shape, np.bool_)
        for key, value in shape.node_selector.items():
            matching &= nodes.labels.match_values(key, (value,), rows)
        if terms is not None:
            matching &= any_term(terms, nodes, rows)
        return (Rejection(REASON, ~matching, ~matching),)

    def score(self, shape: Shape, nodes: Nodes, rows: Rows) -> Ints | None:
        """The weights of the preferences that the node meets."""
        preferences = shape.node_affinity.get(PREFERRED) or ()
        if not preferences:
            return None
        total = np.zeros(nodes.valid[rows].shape, np.int64)
        for each in preferences:
            total += int(each.get("weight") or 0) * _matches(each.get("preference") or {}, nodes, rows)
        return total


def _required_terms(shape: Shape) -> Sequence[Term] | None:
    required = shape.node_affinity.get(REQUIRED)
    return None if required is None else required.get("nodeSelectorTerms") or ()


def _names(term: Term) -> set[str] | None:
    """The nodes that a term names by metadata.name, or None where it does not name any."""
    names: set[str] | None = None
    for field in term.get("matchFields") or ():
        if field.get("key") == NAME_LABEL and field.get("operator") == "In":
            values = set(field.get("values") or ())
            names = values if names is None else names & values
    return names


def any_term(terms: Sequence[Term], nodes: Nodes, rows: Rows) -> Bools:
    """Which nodes any of the terms of a NodeSelector matches."""
    found = np.zeros(nodes.valid[rows].shape, np.bool_)
    for term in terms:
        found |= _matches(term, nodes, rows)
    return found


def _matches(term: Term, nodes: Nodes, rows: Rows) -> Bools:
    """All expressions and fields of the term; one without any matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return np.zeros(nodes.valid[rows].shape, np.bool_)
    found = np.ones(nodes.valid[rows].shape, np.bool_)
    for expression in expressions:
        found &= _requirement(expression, nodes.labels, rows)
    for field in fields:
        found &= _requirement(field, nodes.names_column, rows)
    return found


def _requirement(requirement: Term, columns: LabelColumns, rows: Rows) -> Bools:
    key, operator = str(requirement.get("key") or ""), requirement.get("operator")
    values: Sequence[str] = requirement.get("values") or ()
    if operator == "In":
        return columns.match_values(key, values, rows)
    if operator == "NotIn":
        return ~columns.match_values(key, values, rows)
    if operator in ("Exists", "DoesNotExist"):
        return columns.match(key, lambda value: (value is not None) == (operator == "Exists"), rows)
    bound = str(values[0]) if operator in ("Gt", "Lt") and len(values) == 1 else ""
    return columns.match(key, lambda value: _compares(value, operator == "Gt", bound), rows)


def _compares(value: str | None, greater: bool, bound: str) -> bool:
    """Both as whole numbers; what is none does not match."""
    try:
        return value is not None and (int(value) > int(bound) if greater else int(value) < int(bound))
    except ValueError:
        return False
