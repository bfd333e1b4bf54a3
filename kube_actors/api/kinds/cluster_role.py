"""ClusterRole: what may be done in the whole cluster, or what other roles together allow."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import access, names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import label_selector
from kube_actors.api.validation.rules import Rules


def _create(causes: Causes, obj: Obj) -> None:
    access.policy_rules(causes, obj.get("rules") or [], namespaced=False)
    aggregation = obj.get("aggregationRule")
    if aggregation is None:
        return
    path = "aggregationRule.clusterRoleSelectors"
    selectors = aggregation.get("clusterRoleSelectors")
    if not selectors:
        causes.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for index, selector in enumerate(selectors or ()):
        before = len(causes)
        label_selector(causes, selector, f"{path}[{index}]")
        if len(causes) > before:
            causes.invalid(f"{path}[{index}]", None, "invalid label selector.")


KIND = Kind(rules=Rules(create=_create, name=names.path_segment), rest=RestRules(create_on_update=True))
