"""From the JSON of a custom object to what is stored of it: as `api.decode`, with the schema of a CRD.

Kubernetes: apiextensions-apiserver's schemaCoercingDecoder and unstructuredDefaulter.
"""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.api.crd import defaulting
from kube_actors.api.crd.pruning import pruned
from kube_actors.api.crd.structural import Structural
from kube_actors.api.normal import Mismatch, normalizer, problems
from kube_actors.api.schema import definition

_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def normal(node: Structural, obj: Obj, unknown: list[str]) -> Obj:
    """Metadata in its normal form, nothing that the schema does not know, no forbidden nulls. Raises Mismatch."""
    kept: Obj = pruned(node, obj, unknown, root=True)
    kept["metadata"] = _metadata(kept.get("metadata"), unknown, "metadata")
    _coerce_embedded(node, kept, unknown, "")
    defaulting.drop_nulls(node, kept)
    return kept


def _metadata(value: Any, unknown: list[str], path: str) -> Obj:
    below: list[str] = []
    normalize = normalizer(definition(_METADATA))
    try:
        metadata: Obj = normalize(value or {}, below)
    except Mismatch as error:
        error.path.append(path.rpartition(".")[2])
        raise
    if below:
        unknown += [text.split('"')[1] for text in problems(definition(_METADATA), value, path)]
    return metadata


def _coerce_embedded(node: Structural, value: Any, unknown: list[str], path: str) -> None:
    """The metadata of embedded objects, in place."""
    if isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            _coerce_embedded(node.items, item, unknown, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    if node.embedded and isinstance(value.get("metadata"), dict):
        value["metadata"] = _metadata(value["metadata"], unknown, f"{path}.metadata")
    for key, item in value.items():
        below = node.properties.get(key) or node.additional
        if below is not None:
            _coerce_embedded(below, item, unknown, f"{path}.{key}" if path else key)
