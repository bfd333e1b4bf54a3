"""PersistentVolumeClaim: the wish for storage."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.defaults.claims import claim
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import claims
from kube_actors.api.validation.rules import Rules

_DATA_SOURCES = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def _claim_sources(obj: Obj) -> None:
    """dataSource and dataSourceRef say the same where one is given."""
    spec = obj["spec"]
    if (spec.get("dataSourceRef") or {}).get("namespace"):  # sources of other namespaces are off by default
        del spec["dataSourceRef"]
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source and not reference and (source.get("apiGroup") or "", source.get("kind")) not in _DATA_SOURCES:
        source = None
        del spec["dataSource"]
    if source and not reference:
        spec["dataSourceRef"] = dict(source)
    elif reference and not source and not reference.get("namespace"):
        spec["dataSource"] = {key: value for key, value in reference.items() if key != "namespace"}


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending"}
    _claim_sources(obj)


KIND = Kind(
    rules=Rules(create=claims.claim, update=claims.claim_update, status=claims.claim_status),
    rest=RestRules(answers_deleted_object=True),
    defaults=claim,
    prepare_create=_prepare_create,
)
