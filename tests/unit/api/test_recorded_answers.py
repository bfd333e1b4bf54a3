"""Defaults and refusals of the demo's kinds against the answers of a real Kubernetes 1.36.

The corpus lies beside the repository. Every created object in it goes through decoding, defaults and strategy; what
admission and allocation add in a real server is left out of the comparison.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube_actors.api import decode, strategy
from kube_actors.api.defaults import apply_defaults
from kube_actors.api.resources import BUILTIN, Resource
from kube_actors.api.service_families import settle
from kube_actors.api.validation import invalid, validate_create

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "recorded"
ABSENT = "recorded answers are not here: no ../shared/recorded beside the repository"
KINDS = {
    "Namespace", "ConfigMap", "Secret", "Service", "ServiceAccount", "Pod", "PodTemplate", "Deployment", "ReplicaSet",
    "Node", "Endpoints", "EndpointSlice", "Lease", "Event",
}  # fmt: skip
# What the server, its admission and its allocators add; and fields whose value differs from run to run.
SERVER_MADE = re.compile(
    r"\.metadata\.(uid|resourceVersion|creationTimestamp|managedFields|namespace|selfLink|annotations\.kubernetes\.io.*)"
    r"|\.spec\.(serviceAccount|serviceAccountName|tolerations|priority|preemptionPolicy|clusterIPs?|taints|overhead"
    r"|nodeSelector|imagePullSecrets|healthCheckNodePort|volumes)\b.*"
    r"|\.spec\.(initContainers|containers)\[\d+\]\.(volumeMounts|resources)\b.*"
    r"|\.spec\.ports\[\d+\]\.nodePort|\.status\.(conditions|qosClass)\b.*|.*[tT]ime(stamp)?"
)
# Cases that need another object: other admission rules decide them.
ADMITTED = {"limitrange-apply", "limitrange-defaults"}
ADMISSION_FILES = {"policies", "quota-limits"}
VALUES = {"ns": "rp-1", "run": "abcdef12", "uid0": "0c0ffee0-0000-4000-8000-000000000000", "rv0": "1"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def substituted(value: Any) -> Any:
    text = json.dumps(value)
    return json.loads(re.sub(r"\{(ns|run|uid0|rv0)\}", lambda match: VALUES[match[1]], text))


def steps(status: int) -> Iterator[Any]:
    """Every POST of a demo kind that was answered with `status`: id, resource, body, answer."""
    if not CORPUS.is_dir():
        yield pytest.param(None, None, None, id="absent", marks=pytest.mark.skip(reason=ABSENT))
        return
    for cases in sorted((CORPUS / "cases").glob("*.yaml")):
        if cases.stem in ADMISSION_FILES:
            continue
        answers = json.loads((CORPUS / "answers" / f"{cases.stem}.json").read_text())
        for case in yaml.load(cases.read_text(), yaml.CSafeLoader):
            for index, (step, answer) in enumerate(zip(case["steps"], answers.get(case["case"], ()), strict=False)):
                body, got = step.get("body"), answer["body"]
                if "POST" not in step or answer["status"] != status or case["case"] in ADMITTED:
                    continue
                if not isinstance(body, dict) or body.get("kind") not in KINDS or "metadata" not in body:
                    continue
                resource = BUILTIN.of_kind(body.get("apiVersion", ""), body["kind"])
                plural = step["POST"].partition("?")[0].rpartition("/")[2]
                if resource is None or plural != resource.plural or not isinstance(got, dict):
                    continue
                ignored = tuple(f".{path}" for path in step.get("ignore", ()) if "*" not in path)
                got["<ignored>"] = ignored
                created = status == 201 and got.get("kind") == body["kind"]
                if created or (status == 422 and (got.get("details") or {}).get("causes")):
                    yield pytest.param(resource, body, got, id=f"{cases.stem}-{case['case']}-{index}")


def made(resource: Resource, body: Any) -> dict[str, Any]:
    body = substituted(body)
    if resource.namespaced:
        body["metadata"]["namespace"] = VALUES["ns"]
    else:
        body["metadata"].pop("namespace", None)
    obj = decode.decode(resource, json.dumps(body).encode()).obj
    for field in ("uid", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"):
        obj["metadata"].pop(field, None)
    if obj["metadata"].get("generateName") and not obj["metadata"].get("name"):
        obj["metadata"]["name"] = obj["metadata"]["generateName"] + "abcde"
    apply_defaults(resource, obj)
    if resource.kind == "Pod":
        obj["spec"].setdefault("serviceAccountName", "default")  # admission's part
    strategy.prepare_create(resource, obj)
    return obj


def differences(want: Any, got: Any, path: str = "") -> Iterator[str]:
    if SERVER_MADE.fullmatch(path) or want in ("<ignored>", "<volatile>", "<time>"):
        return
    if isinstance(want, dict) and isinstance(got, dict):
        for key in sorted(want.keys() | got.keys()):
            where = f"{path}.{key}"
            if key in want and key in got:
                yield from differences(want[key], got[key], where)
            elif not SERVER_MADE.fullmatch(where):
                yield f"{where}: want {want.get(key, 'nothing')!r}, got {got.get(key, 'nothing')!r}"
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for index, (left, right) in enumerate(zip(want, got, strict=True)):
            yield from differences(left, right, f"{path}[{index}]")
    elif want != got:
        yield f"{path}: want {want!r}, got {got!r}"


def test_the_recorded_corpus_is_there() -> None:
    if not CORPUS.is_dir():
        pytest.skip(ABSENT)
    assert sum(1 for _ in steps(201)) > 150


@pytest.mark.parametrize(("resource", "body", "answer"), list(steps(201)))
def test_defaults_are_those_of_the_recorded_server(resource: Resource, body: Any, answer: Any) -> None:
    ignored = tuple(answer.pop("<ignored>"))
    found = differences(substituted(answer), made(resource, body))
    assert [one for one in found if not one.startswith(ignored)] == []


# Refused by what depends on the cluster: allocators, the dual-stack configuration.
CLUSTER_REFUSES = re.compile(r"allocate|already allocated|valid range|dual-stack|not configured on this cluster")


@pytest.mark.parametrize(("resource", "body", "answer"), list(steps(422)))
def test_refusals_are_those_of_the_recorded_server(resource: Resource, body: Any, answer: Any) -> None:
    answer = substituted(answer)
    if CLUSTER_REFUSES.search(answer["message"]):
        return
    obj = made(resource, body)
    # The families of a service come before all else.
    causes = settle(obj["spec"], {}) if resource.kind == "Service" else []
    causes = causes or validate_create(resource, obj)
    assert causes, answer["message"]
    status = invalid(resource, obj["metadata"].get("name", ""), causes).status()
    status = json.loads(UUID.sub("<uuid>", json.dumps(status)))
    assert status["details"]["causes"] == answer["details"]["causes"]
    assert status["message"] == answer["message"]
