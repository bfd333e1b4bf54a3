"""Names of resources, and manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from kube_actors.api.resources import BUILTIN, DEPLOYMENTS, PODS, SERVICES
from kube_actors_cli import manifests
from kube_actors_cli.failure import Failure
from kube_actors_cli.names import Names, Target, display

NAMES = Names(list(BUILTIN))


@pytest.mark.parametrize(
    ("text", "qualified"),
    [
        ("po", "pods"),
        ("Pods", "pods"),
        ("pod", "pods"),
        ("deploy", "deployments.apps"),
        ("deployments.apps", "deployments.apps"),
        ("deployments.v1.apps", "deployments.apps"),
        ("events", "events"),
        ("events.events.k8s.io", "events.events.k8s.io"),
        ("pods.v1.", "pods"),
    ],
)
def test_a_resource_has_many_names(text: str, qualified: str) -> None:
    assert NAMES.find(text).qualified == qualified


def test_an_unknown_type_is_kubectls_line() -> None:
    with pytest.raises(Failure, match=r'^error: the server doesn\'t have a resource type "widgets"$'):
        NAMES.find("widgets")


def test_all_stands_for_workloads_and_services() -> None:
    plurals = [resource.plural for resource in NAMES.find_all("all")]
    assert {"pods", "services", "deployments", "replicasets"} <= set(plurals)
    assert "secrets" not in plurals


def test_words_mean_types_names_or_both() -> None:
    assert NAMES.targets(["po,svc"]) == [Target(PODS), Target(SERVICES)]
    assert NAMES.targets(["po", "a", "b"]) == [Target(PODS, "a"), Target(PODS, "b")]
    assert NAMES.targets(["po/a", "deploy/b"]) == [Target(PODS, "a"), Target(DEPLOYMENTS, "b")]


@pytest.mark.parametrize("words", [["po/a", "b"], ["/a"], ["po/"], ["po/a/b"]])
def test_mixed_forms_are_refused(words: list[str]) -> None:
    with pytest.raises(Failure, match="there is no need to specify a resource type"):
        NAMES.targets(words)


def test_objects_are_named_as_kubectl_does() -> None:
    assert (display(PODS, "a"), display(DEPLOYMENTS, "b")) == ("pod/a", "deployment.apps/b")


def test_an_unknown_kind_says_where_it_is_from() -> None:
    obj = {"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "w"}}
    with pytest.raises(Failure, match=r'from "f\.yaml": no matches for kind "Widget" in version "x\.io/v1"'):
        NAMES.of_object(obj, "f.yaml")


def _parse(text: str) -> list[manifests.Manifest]:
    return list(manifests.parse(text, "f.yaml"))


def test_a_text_may_have_several_documents_and_lists() -> None:
    text = """
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
# nothing
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, metadata: {name: b}}
"""
    assert [each.obj["metadata"]["name"] for each in _parse(text)] == ["a", "b"]


def test_times_stay_text() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {t: 2020-01-01T00:00:00Z}"
    assert _parse(text)[0].obj["data"]["t"] == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", "error parsing f.yaml: error converting YAML to JSON: yaml: line 1"),
        ("a: 1\na: 2", 'line 2: key "a" already set in map'),
        ("[]", "a document has to be a mapping, not list"),
        ("kind: Pod\nmetadata: {name: a}", "apiVersion not set"),
        ("apiVersion: v1\nmetadata: {name: a}", "Object 'Kind' is missing"),
        ("apiVersion: v1\nkind: Pod", "Pod has no metadata.name"),
    ],
)
def test_what_cannot_be_applied_is_one_line(text: str, line: str) -> None:
    with pytest.raises(Failure) as caught:
        _parse(text)
    assert line in caught.value.line
    assert "\n" not in caught.value.line


def test_a_folder_gives_its_manifests_in_order(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "c.json"):
        (tmp_path / name).write_text(
            f'{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "{name[0]}"}}}}'
        )
    (tmp_path / "notes.txt").write_text("not a manifest")
    assert [each.obj["metadata"]["name"] for each in manifests.load([str(tmp_path)])] == ["a", "b", "c"]


def test_a_path_that_is_not_there_is_named() -> None:
    with pytest.raises(Failure, match='the path "/gone" does not exist'):
        manifests.load(["/gone"])
