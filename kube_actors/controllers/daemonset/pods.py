"""A DaemonSet's pods: the one to make for a node, and what those there are. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, get_path, is_deleting, labels_of, name_of
from kube_actors.api.node_affinity import REQUIRED
from kube_actors.controllers.daemonset.eligibility import tolerations_of
from kube_actors.controllers.history.revisions import REVISION_LABEL
from kube_actors.controllers.pods import is_terminal
from kube_actors.controllers.templates import pod_from_template

GENERATION_LABEL = "pod-template-generation"
GENERATION = "deprecated.daemonset.template.generation"


@dataclass(frozen=True, slots=True)
class Template:
    """What makes a pod up to date: the hash of its revision, or the old template generation."""

    digest: str
    generation: str = ""

    def made(self, pod: Obj) -> bool:
        labels = labels_of(pod)
        by_generation = bool(self.generation) and labels.get(GENERATION_LABEL) == self.generation
        return by_generation or (bool(self.digest) and labels.get(REVISION_LABEL) == self.digest)


def template_of(owner: Obj, digest: str) -> Template:
    return Template(digest, annotations_of(owner).get(GENERATION, ""))


def new_pod(owner: Obj, node: str, template: Template) -> Obj:
    """The pod for a node: pinned to it, tolerant, labelled with its revision."""
    pod = pod_from_template(owner, owner["spec"]["template"])
    labels = {REVISION_LABEL: template.digest}
    if template.generation:
        labels[GENERATION_LABEL] = template.generation
    pod["metadata"]["labels"] = labels_of(pod) | labels
    spec = pod["spec"]
    spec["tolerations"] = tolerations_of(spec)
    affinity = spec.get("affinity") or {}
    # In place of the template's own terms, which the node meets: it was chosen by them.
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    node_affinity = (affinity.get("nodeAffinity") or {}) | {REQUIRED: {"nodeSelectorTerms": [term]}}
    spec["affinity"] = affinity | {"nodeAffinity": node_affinity}
    return pod


def target_node(pod: Obj) -> str:
    """The node that the pod runs on or is pinned to; empty where it is neither."""
    if node := get_path(pod, "spec", "nodeName"):
        return str(node)
    terms = get_path(pod, "spec", "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms", default=[])
    for term in terms:
        for field in term.get("matchFields") or ():
            values = list(field.get("values") or ())
            if field.get("key") == "metadata.name" and field.get("operator") == "In" and len(values) == 1:
                return str(values[0])
    return ""


def by_node(pods: Iterable[Obj]) -> dict[str, list[Obj]]:
    """The pods of each node, those left out that ended and are being deleted: their place is free."""
    found: dict[str, list[Obj]] = defaultdict(list)
    for pod in pods:
        if is_terminal(pod) and is_deleting(pod):
            continue
        if node := target_node(pod):
            found[node].append(pod)
    return dict(found)


def oldest_first(pods: Iterable[Obj]) -> Sequence[Obj]:
    """Those that have a node first, then by age: the first is the one that counts."""
    return sorted(pods, key=lambda pod: (not get_path(pod, "spec", "nodeName"), _created(pod), name_of(pod)))


def _created(pod: Obj) -> float:
    text = pod["metadata"].get("creationTimestamp")
    return parse_rfc3339(text) if text else 0.0
