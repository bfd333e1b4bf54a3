"""Objects in other shapes than their own."""

from __future__ import annotations

import pytest

from kube_actors.api import encoding, errors
from kube_actors.api.resources import PODS, builtin
from kube_actors.apiserver import printing, versions

POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {}, "status": {"phase": "Succeeded"}}
PARTIAL = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "a"}}


@pytest.mark.parametrize(("include", "shown"), [("", PARTIAL), ("Metadata", PARTIAL), ("Object", POD), ("None", None)])
def test_a_row_holds_as_much_of_its_object_as_was_asked_for(include, shown):
    (row,) = printing.table(PODS, [POD], 0.0, {}, include=include)["rows"]
    assert list(row) == ["cells", "conditions", "object"]
    assert row["object"] == shown


def test_an_unknown_include_object_is_refused():
    with pytest.raises(errors.BadRequest, match='includeObject: Invalid value: "Foo": must be'):
        printing.table(PODS, [POD], 0.0, {}, include="Foo")


def test_a_table_of_what_was_not_written_has_no_resource_version():
    table = encoding.loads(printing.table_of_one(PODS, 0.0)(encoding.dumps(POD)))
    assert table["metadata"] == {}


def test_later_tables_of_a_watch_have_no_columns():
    table = encoding.loads(printing.table_of_one(PODS, 0.0, headers=False)(encoding.dumps(POD)))
    assert table["columnDefinitions"] is None


@pytest.mark.parametrize("include", ["Metadata", "Object"])
def test_an_autoscaler_of_the_old_version_is_printed_as_it_is_stored(include):
    measures = [("cpu", {"type": "Utilization", "averageUtilization": 70}), ("memory", {"averageValue": "100Mi"})]
    metrics = [{"type": "Resource", "resource": {"name": name, "target": target}} for name, target in measures]
    stored = {
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": "autoscaling/v2",
        "metadata": {"name": "a"},
        "spec": {"maxReplicas": 3, "metrics": metrics},
    }
    old = builtin("autoscaling/v1", "horizontalpodautoscalers")
    served = versions.from_stored(old, stored)
    (row,) = printing.table(old, [stored], 0.0, {}, include=include)["rows"]
    assert row["cells"][2] == "cpu: <unknown>/70%, memory: <unknown>/100Mi"
    assert row["object"] == (served if include == "Object" else PARTIAL)
    # Of the answer to a write there is only what was served, which has the metrics in an order of its own.
    (row,) = printing.table(old, [served], 0.0, {}, include=include)["rows"]
    assert row["cells"][2] == "memory: <unknown>/100Mi, cpu: <unknown>/70%"
    assert row["object"] == (served if include == "Object" else PARTIAL)
