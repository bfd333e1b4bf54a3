"""The params of a binding: the objects that its policy is evaluated with, one after another."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import labels_of
from kube_actors.api.resources import Registry
from kube_actors.api.selectors import LabelSelector
from kube_actors.apiserver import versions
from kube_actors.apiserver.admission.chain import Lookup

NONE_FOUND = "no params found for policy binding with `Deny` parameterNotFoundAction"
CLUSTER_SCOPED = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"


class NoParams(Exception):
    """The binding cannot be evaluated; the text is Kubernetes'."""


def params_of(
    lookup: Lookup, resources: Registry, kind: Obj | None, reference: Obj | None, namespace: str
) -> list[Obj | None]:
    """One for each evaluation: [None] for a policy without params, none where the binding allows that.

    Raises NoParams.
    """
    if kind is None or reference is None:
        return [None]
    found = resources.of_kind(kind.get("apiVersion", ""), kind.get("kind", ""))
    if found is None:
        group, _, version = kind.get("apiVersion", "").rpartition("/")
        text = f"{group}/{version}, Kind={kind.get('kind', '')}"
        raise NoParams(f"failed to find resource referenced by paramKind: '{text}'")
    place = ""
    if found.namespaced:
        place = reference.get("namespace") or namespace
        if not place:
            raise NoParams(CLUSTER_SCOPED)
    stored = versions.stored(found)
    if reference.get("name"):
        one = lookup.cached(stored, place, reference["name"])
        params = [] if one is None else [one]
    else:
        selector = LabelSelector.from_object(reference.get("selector") or {})
        params = [one for one in lookup.all(stored, place) if selector.matches(labels_of(one))]
    if not params and reference.get("parameterNotFoundAction") != "Allow":
        raise NoParams(NONE_FOUND)
    return [versions.from_stored(found, one) for one in params]
