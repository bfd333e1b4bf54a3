"""Tables: ages, columns, rows."""

from __future__ import annotations

import pytest

from kube_actors.api import tables
from kube_actors.api.resources import BUILTIN, DEPLOYMENTS, PODS, SERVICES, Resource, builtin

BORN = "2026-01-01T00:00:00Z"
NOW = 1_767_225_600.0 + 3600


@pytest.mark.parametrize(
    ("seconds", "human", "short"),
    [
        (0, "0s", "0s"),
        (119, "119s", "1m"),
        (120, "2m", "2m"),
        (270, "4m30s", "4m"),
        (3600, "60m", "1h"),
        (3 * 3600 + 300, "3h5m", "3h"),
        (10 * 3600, "10h", "10h"),
        (50 * 3600, "2d2h", "2d"),
        (10 * 86400, "10d", "10d"),
        (800 * 86400, "2y70d", "2y"),
        (9 * 365 * 86400, "9y", "9y"),
        (-5, "<invalid>", "<invalid>"),
    ],
)
def test_ages_are_written_as_kubectl_writes_them(seconds: int, human: str, short: str) -> None:
    assert tables.duration_human(seconds) == human
    assert tables.duration_short(seconds) == short


@pytest.mark.parametrize("resource", list(BUILTIN), ids=lambda resource: f"{resource.api_version}/{resource.kind}")
def test_a_row_of_every_kind_has_a_cell_for_each_column(resource: Resource) -> None:
    obj = {"metadata": {"name": "a", "creationTimestamp": BORN}, "spec": {}}
    columns = tables.table_columns(resource)
    # Kubernetes itself gives the row of an IPAddress an age without a column for it.
    assert len(tables.table_row(resource, obj, NOW)) == len(columns) + (resource.kind == "IPAddress")
    assert [column["type"] for column in columns if column["format"] == "name"]
    assert all(column["description"] for column in columns if column["name"] != "Handler")


def test_a_pod_shows_the_state_of_its_containers() -> None:
    pod = {
        "metadata": {"name": "a", "creationTimestamp": BORN},
        "spec": {"containers": [{"name": "c"}, {"name": "d"}], "nodeName": "n1"},
        "status": {
            "phase": "Running",
            "podIPs": [{"ip": "10.0.0.1"}],
            "containerStatuses": [
                {"name": "c", "ready": True, "restartCount": 2, "state": {"running": {}}},
                {"name": "d", "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
            ],
        },
    }
    assert tables.table_row(PODS, pod, NOW) == [
        "a", "1/2", "CrashLoopBackOff", "3", "60m", "10.0.0.1", "n1", "<none>", "<none>",
    ]  # fmt: skip
    pod["metadata"]["deletionTimestamp"] = BORN  # type: ignore[index]
    assert tables.table_row(PODS, pod, NOW)[2] == "Terminating"


def test_a_finished_pod_carries_the_condition_completed() -> None:
    pod = {"metadata": {"name": "a"}, "spec": {}, "status": {"phase": "Succeeded"}}
    assert tables.table_row_conditions(PODS, pod)[0]["type"] == "Completed"


def test_services_and_deployments_show_what_kubectl_shows() -> None:
    service = {
        "metadata": {"name": "s", "creationTimestamp": BORN},
        "spec": {
            "type": "NodePort",
            "clusterIPs": ["10.96.0.5"],
            "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}],
            "selector": {"c": "d", "a": "b"},
        },
    }
    row = ["s", "NodePort", "10.96.0.5", "<none>", "80:30080/TCP", "60m", "a=b,c=d"]
    assert tables.table_row(SERVICES, service, NOW) == row
    deployment = {
        "metadata": {"name": "d", "creationTimestamp": BORN},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
        "status": {"readyReplicas": 1, "updatedReplicas": 2},
    }
    assert tables.table_row(DEPLOYMENTS, deployment, NOW) == ["d", "1/3", 2, 0, "60m", "c", "i", "a=b"]


@pytest.mark.parametrize(
    ("service", "conditions", "cells"),
    [
        (None, [{"type": "Available", "status": "True", "reason": "Local"}], ["Local", "True"]),
        (
            {"namespace": "kube-system", "name": "metrics"},
            [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}],
            ["kube-system/metrics", "False (MissingEndpoints)"],
        ),
        (None, [], ["Local", "Unknown"]),
    ],
)
def test_an_api_service_shows_who_answers_for_it_and_whether_it_does(
    service: dict[str, str] | None, conditions: list[dict[str, str]], cells: list[str]
) -> None:
    spec = {"service": service} if service else {}
    obj = {"metadata": {"name": "a", "creationTimestamp": BORN}, "spec": spec, "status": {"conditions": conditions}}
    assert tables.table_row(builtin("apiregistration.k8s.io/v1", "apiservices"), obj, NOW) == ["a", *cells, "60m"]
