"""Who a StatefulSet's pods are: ordinals, names, labels, volumes. Pure."""

from __future__ import annotations

import re

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, labels_of, name_of, namespace_of
from kube_actors.api.resources import PODS
from kube_actors.controllers.actions import PatchObject
from kube_actors.controllers.history.revisions import REVISION_LABEL
from kube_actors.controllers.statefulset.claims import claim_name, claim_templates
from kube_actors.controllers.templates import pod_from_template

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)$")


def parent_and_ordinal(pod: Obj) -> tuple[str, int]:
    """What the name says: `web-3` is (web, 3); (empty, -1) for a name without a number."""
    match = _NAME.match(name_of(pod))
    if match is None or int(match[2]) >= 2**31:
        return "", -1
    return match[1], int(match[2])


def ordinal_of(pod: Obj) -> int:
    return parent_and_ordinal(pod)[1]


def is_member(owner: Obj, pod: Obj) -> bool:
    """Whether the name is one that the StatefulSet gives."""
    return parent_and_ordinal(pod)[0] == name_of(owner)


def ordinals(owner: Obj) -> range:
    """The ordinals that should have a pod."""
    start = get_path(owner, "spec", "ordinals", "start", default=0)
    return range(start, start + owner["spec"].get("replicas", 1))


def pod_name(owner: Obj, ordinal: int) -> str:
    return f"{name_of(owner)}-{ordinal}"


def revision_of(pod: Obj) -> str:
    """The name of the revision that the pod was made from."""
    return labels_of(pod).get(REVISION_LABEL, "")


def new_pod(owner: Obj, template: Obj, revision: str, ordinal: int) -> Obj:
    """The pod of an ordinal, made from the template of a revision."""
    pod = pod_from_template(owner, template)
    name = pod_name(owner, ordinal)
    pod["metadata"]["name"] = name
    pod["metadata"]["labels"] = labels_of(pod) | _labels(name, ordinal) | {REVISION_LABEL: revision}
    pod["spec"]["hostname"] = name
    if service := owner["spec"].get("serviceName"):
        pod["spec"]["subdomain"] = service
    if volumes := _volumes(owner, pod["spec"], ordinal):
        pod["spec"]["volumes"] = volumes
    return pod


def has_identity(owner: Obj, pod: Obj) -> bool:
    """Whether labels and volumes are those of its ordinal."""
    if labels_of(pod).get(POD_NAME) != name_of(pod):
        return False
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    return all(
        get_path(volumes.get(name_of(template)), "persistentVolumeClaim", "claimName")
        == claim_name(owner, template, ordinal_of(pod))
        for template in claim_templates(owner)
    )


def identity_patch(pod: Obj) -> PatchObject:
    """Put the labels right; volumes of a pod cannot be changed."""
    labels = _labels(name_of(pod), ordinal_of(pod))
    return PatchObject(PODS, namespace_of(pod), name_of(pod), {"metadata": {"labels": labels}})


def _labels(name: str, ordinal: int) -> dict[str, str]:
    return {POD_NAME: name, POD_INDEX: str(ordinal)}


def _volumes(owner: Obj, spec: Obj, ordinal: int) -> list[Obj]:
    """A volume for each claim template, in place of one of the same name, then the template's own."""
    mine = {name_of(template): claim_name(owner, template, ordinal) for template in claim_templates(owner)}
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim in mine.items()]
    return [*claims, *(volume for volume in spec.get("volumes") or () if volume["name"] not in mine)]
