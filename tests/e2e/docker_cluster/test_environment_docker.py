"""The environment, the command and the folder of a container, through kubectl."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.docker_cluster.cluster import Space, pod


def field(name: str, path: str) -> Any:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def resource(name: str, what: str, divisor: str = "") -> Any:
    ref = {"resource": what} | ({"divisor": divisor} if divisor else {})
    return {"name": name, "valueFrom": {"resourceFieldRef": ref}}


def key(name: str, kind: str, source: str, what: str, optional: bool = False) -> Any:
    return {"name": name, "valueFrom": {f"{kind}KeyRef": {"name": source, "key": what, "optional": optional}}}


def config_map(name: str, **data: str) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def environment_of(space: Space, name: str) -> dict[str, str]:
    # Not through a shell, which drops the names that it cannot say.
    lines = space.kubectl("exec", name, "--", "env").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_an_environment_comes_from_fields_resources_maps_secrets_services_and_references(space: Space) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "p w"}}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "my-web"},
        "spec": {"selector": {"app": "none"}, "ports": [{"name": "http", "port": 80}]},
    }
    env = [
        {"name": "PLAIN", "value": "a"},
        {"name": "REF", "value": "$(PLAIN)-$(NONE)-$$(PLAIN)-$(MY_WEB_SERVICE_PORT)"},
        field("POD", "metadata.name"), field("SPACE", "metadata.namespace"), field("UID", "metadata.uid"),
        field("LABEL", "metadata.labels['app']"), field("NOTE", "metadata.annotations['note']"),
        field("NODE", "spec.nodeName"), field("ACCOUNT", "spec.serviceAccountName"),
        field("IP", "status.podIP"), field("IPS", "status.podIPs"), field("HOST", "status.hostIP"),
        resource("CPU", "limits.cpu"), resource("CPU_M", "limits.cpu", "1m"), resource("MEM", "requests.memory", "1Mi"),
        resource("DISK", "limits.ephemeral-storage"),
        key("KEY", "configMap", "m", "one"), key("SECRET", "secret", "s", "password"),
        key("NO_KEY", "configMap", "m", "none", optional=True), key("NO_MAP", "configMap", "none", "x", optional=True),
    ]  # fmt: skip
    sources = [
        {"prefix": "1-$_", "configMapRef": {"name": "m"}},
        {"configMapRef": {"name": "none", "optional": True}},
        {"secretRef": {"name": "s"}},
    ]
    amounts = {"limits": {"cpu": "250m", "memory": "48Mi"}, "requests": {"cpu": "100m", "memory": "32Mi"}}
    p = pod("p", "true", env=env, envFrom=sources, resources=amounts, workingDir="/tmp/made here")
    p["metadata"]["annotations"] = {"note": "some text"}
    p["spec"]["containers"][0]["command"] = [
        "sh",
        "-c",
        'echo "$0" "$1"; pwd; exec sleep 3600',
        "$(PLAIN)",
        "$$(PLAIN)",
    ]
    whole = pod("whole", env=[resource("CPU", "limits.cpu"), resource("MEM", "limits.memory", "1Mi")])
    unlinked = pod("unlinked", spec={"enableServiceLinks": False})
    space.create(config_map("m", one="1", **{"a.b": "2"}), secret, service)
    address = space.get("service", "my-web")["spec"]["clusterIP"]
    space.create(p, whole, unlinked)
    space.wait("p")
    made = space.pod("p")
    wanted = {
        "PLAIN": "a", "REF": "a-$(NONE)-$(PLAIN)-80", "POD": "p", "SPACE": space.name, "UID": made["metadata"]["uid"],
        "LABEL": "p", "NOTE": "some text", "NODE": made["spec"]["nodeName"], "ACCOUNT": "default",
        "IP": made["status"]["podIP"], "IPS": made["status"]["podIP"], "HOST": made["status"]["hostIP"],
        "CPU": "1", "CPU_M": "250", "MEM": "32", "KEY": "1", "SECRET": "p w", "password": "p w",
        "1-$_one": "1", "1-$_a.b": "2", "MY_WEB_SERVICE_HOST": address, "MY_WEB_SERVICE_PORT_HTTP": "80",
        "MY_WEB_PORT_80_TCP": f"tcp://{address}:80",
    }  # fmt: skip
    got = environment_of(space, "p")
    assert {name: got.get(name) for name in wanted} == wanted
    assert not {"NO_KEY", "NO_MAP"} & got.keys()
    assert space.kubectl("logs", "p").splitlines() == ["a $(PLAIN)", "/tmp/made here"]
    allocatable = json.loads(space.kubectl("get", "nodes", "-o", "json"))["items"][0]["status"]["allocatable"]
    space.wait("whole")
    got = environment_of(space, "whole")
    assert got["CPU"] == allocatable["cpu"]
    assert int(got["MEM"]) in (value := int(allocatable["memory"].removesuffix("Ki")) // 1024, value + 1)
    space.wait("unlinked")
    got = environment_of(space, "unlinked")
    assert "KUBERNETES_SERVICE_HOST" in got
    assert "MY_WEB_SERVICE_HOST" not in got
