"""The embedded cluster: one process, no Ray, and the real kubectl against it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.api.resources import DEPLOYMENTS, NAMESPACES, NODES, PODS
from kube_actors.client.client import KubeClient
from kube_actors.cluster.embedded import Cluster
from kube_actors.rpc.tls import ClientTLS

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "cluster_configs" / "demo.yaml"
# An age, and the blanks after it, may change between two commands.
AGE = re.compile(r"\b\d+[smh](\d+s)?\s*")

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def deployment(name: str = "web", replicas: int = 3) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


async def available(cluster: Cluster, name: str, replicas: int) -> None:
    """Until the Deployment has that many available replicas."""
    async with asyncio.timeout(30):
        async for events in cluster.client.watch(DEPLOYMENTS, "default", send_initial_events=True):
            for event in events:
                if event.type != "BOOKMARK" and event.object["metadata"]["name"] == name:
                    status = event.object.get("status") or {}
                    counts = [status.get(key) or 0 for key in ("replicas", "availableReplicas")]
                    if counts == [replicas] * 2:
                        return


async def kubectl(cluster: Cluster, *words: str, code: int = 0) -> str:
    return await command("kubectl", "--kubeconfig", str(cluster.kubeconfig), *words, code=code)


async def kactl(cluster: Cluster, *words: str, code: int = 0) -> str:
    program = (sys.executable, "-m", "kube_actors_cli.main")
    return await command(*program, *words, "--kubeconfig", str(cluster.kubeconfig), code=code)


async def command(*words: str, code: int = 0) -> str:
    """The output of a program, whose exit code has to be that."""
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == code, output.decode()
    return output.decode()


async def test_a_deployment_becomes_available_and_scales_to_nothing() -> None:
    async with Cluster(nodes=3) as cluster:
        await cluster.client.create(DEPLOYMENTS, deployment(replicas=6))
        await available(cluster, "web", 6)
        pods = (await cluster.client.list(PODS, "default")).items
        assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1", "node-2", "node-3"}
        await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 0}}, "default")
        await available(cluster, "web", 0)


async def test_the_cluster_is_ready_when_it_has_started() -> None:
    async with Cluster(nodes=2) as cluster:
        nodes = (await cluster.client.list(NODES)).items
        ready = [[c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready"] for node in nodes]
        assert ready == [["True"], ["True"]]
        names = {each["metadata"]["name"] for each in (await cluster.client.list(NAMESPACES)).items}
        assert {"default", "kube-system"} <= names


async def test_a_second_cluster_of_a_process_starts_within_a_second() -> None:
    """The first one also pays for importing Python modules."""
    async with Cluster():
        pass
    before = time.process_time()
    async with Cluster():
        # Processor time, so that a busy machine does not fail the test.
        assert time.process_time() - before < 1.0


async def test_clusters_of_one_process_do_not_know_each_other() -> None:
    async with Cluster() as one, Cluster() as other:
        await one.client.create(DEPLOYMENTS, deployment("only-here", 0))
        assert (await other.client.list(DEPLOYMENTS, "default")).items == []
        assert one.rest_url != other.rest_url
        stranger = ClientTLS(
            ca=_pki(other).ca, **_pair(_pki(one), "kubernetes-admin"), server_name="apiserver.kube-actors"
        )
        client = KubeClient([other.grpc_address], stranger, patience=0.0)
        await client.start()
        with pytest.raises(Exception, match=r"UNAVAILABLE|UNAUTHENTICATED"):
            await client.version()
        await client.stop()


async def test_state_survives_with_a_data_folder(tmp_path: Path) -> None:
    async with Cluster(data_dir=tmp_path / "data") as cluster:
        created = await cluster.client.create(DEPLOYMENTS, deployment())
        await available(cluster, "web", 3)
        ca = _pki(cluster).ca
    async with Cluster(data_dir=tmp_path / "data") as cluster:
        found = await cluster.client.get(DEPLOYMENTS, "web", "default")
        assert found["metadata"]["uid"] == created["metadata"]["uid"]
        assert _pki(cluster).ca == ca
        await available(cluster, "web", 3)


async def test_nothing_is_left_behind_without_one() -> None:
    async with Cluster() as cluster:
        folder = cluster.kubeconfig.parent
        assert (folder / "kubeconfig").stat().st_mode & 0o777 == 0o600
    assert not folder.exists()


async def test_a_port_in_use_is_one_line_and_nothing_stays() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(ConfigError, match=str(taken.getsockname()[1])) as caught:
            async with Cluster(api_port=taken.getsockname()[1]):
                raise AssertionError("it started")
        assert "\n" not in str(caught.value)


async def test_a_socket_path_that_is_too_long_does_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 60) / ("y" * 60)
    async with Cluster(data_dir=folder) as cluster:
        assert (await cluster.client.version()).cluster_name == "embedded"


def test_an_embedded_cluster_never_imports_ray() -> None:
    program = (
        "import asyncio, sys\n"
        "from kube_actors.cluster.embedded import Cluster\n"
        "async def main():\n"
        "    async with Cluster():\n"
        "        print('ray' in sys.modules)\n"
        "asyncio.run(main())\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout == "False\n"


@needs_kubectl
async def test_kubectl_applies_lists_describes_and_deletes_the_demo() -> None:
    async with Cluster(nodes=2) as cluster:
        applied = await kubectl(cluster, "apply", "-f", str(DEMO))
        assert applied.splitlines() == [
            "namespace/demo created",
            "configmap/greeting created",
            "secret/visitor created",
            "deployment.apps/web created",
            "service/web created",
        ]
        out = await kubectl(cluster, "rollout", "status", "deployment/web", "-n", "demo", "--timeout=30s")
        assert 'deployment "web" successfully rolled out' in out
        table = (await kubectl(cluster, "get", "deployments,pods", "-n", "demo")).splitlines()
        assert table[0].split()[:2] == ["NAME", "READY"]
        assert "3/3" in table[1]
        assert sum(line.startswith("pod/web-") for line in table) == 3
        described = await kubectl(cluster, "describe", "deployment", "web", "-n", "demo")
        assert "3 desired | 3 updated | 3 total | 3 available | 0 unavailable" in described
        everything = await kubectl(cluster, "describe", "deployments,replicasets,pods,nodes", "-n", "demo")
        told = [line.split() for line in everything.splitlines() if line.startswith("  Normal ")]
        # Type, reason, age, from.
        assert {words[1]: words[3] for words in told} == {
            "ScalingReplicaSet": "deployment-controller", "SuccessfulCreate": "replicaset-controller",
            "Scheduled": "default-scheduler", "RegisteredNode": "node-controller",
            **dict.fromkeys(("Starting", "Pulling", "Pulled", "Created", "Started"), "kubelet"),
        }  # fmt: skip
        pods = json.loads(await kubectl(cluster, "get", "pods", "-n", "demo", "-o", "json"))
        assert len(pods["items"]) == 3
        deleted = await kubectl(cluster, "delete", "-f", str(DEMO), "--timeout=30s")
        assert 'namespace "demo" deleted' in deleted
        assert "NotFound" in await kubectl(cluster, "get", "namespace", "demo", code=1)


@needs_kubectl
async def test_kactl_prints_what_kubectl_prints() -> None:
    async with Cluster(nodes=2) as cluster:
        await kactl(cluster, "apply", "-f", str(DEMO))
        await kactl(cluster, "rollout", "status", "deployment/web", "-n", "demo", "--timeout=30s")
        for words in (
            ["get", "pods", "-n", "demo", "-o", "name"],
            ["get", "deployment", "web", "-n", "demo", "-o", "yaml"],
            ["get", "service", "web", "-n", "demo", "-o", "json"],
            ["get", "deployments", "-A", "--no-headers", "-o", "jsonpath={.items[*].metadata.name}"],
            ["get", "configmap", "greeting", "-n", "demo"],
            ["get", "namespaces", "--show-labels"],
        ):
            ours, theirs = await kactl(cluster, *words), await kubectl(cluster, *words)
            assert AGE.sub("AGE", ours) == AGE.sub("AGE", theirs), words
        for words in (["get", "pod", "gone"], ["get", "widgets"]):
            ours, theirs = await kactl(cluster, *words, code=1), await kubectl(cluster, *words, code=1)
            assert ours.splitlines()[-1] == theirs.splitlines()[-1]


@needs_kubectl
async def test_kubectl_and_kactl_apply_the_same_object(tmp_path: Path) -> None:
    """Each finds what the other applied last."""
    path = tmp_path / "cm.yaml"
    content: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"a": "1"}}
    async with Cluster() as cluster:
        path.write_text(json.dumps(content))
        assert await kubectl(cluster, "apply", "-f", str(path)) == "configmap/cm created\n"
        assert await kactl(cluster, "apply", "-f", str(path)) == "configmap/cm unchanged\n"
        path.write_text(json.dumps({**content, "data": {"b": "2"}}))
        assert await kactl(cluster, "apply", "-f", str(path)) == "configmap/cm configured\n"
        assert await kubectl(cluster, "apply", "-f", str(path)) == "configmap/cm unchanged\n"
        found = json.loads(await kubectl(cluster, "get", "cm", "cm", "-o", "json"))
        assert found["data"] == {"b": "2"}


async def test_kactl_watches_waits_and_deletes() -> None:
    async with Cluster() as cluster:
        await kactl(cluster, "apply", "-f", str(DEMO))
        met = await kactl(cluster, "wait", "--for=condition=Available", "deploy/web", "-n", "demo", "--timeout=30s")
        assert met == "deployment.apps/web condition met\n"
        phase = ["wait", "--for=jsonpath={.status.phase}=Running", "pods", "-l", "app=web", "-n", "demo"]
        assert (await kactl(cluster, *phase)).count("condition met") == 3
        late = await kactl(
            cluster, "wait", "--for=condition=Nonsense", "deploy/web", "-n", "demo", "--timeout=1s", code=1
        )
        assert late == "error: timed out waiting for the condition on deployments/web\n"
        assert "Successfully assigned" in await kactl(cluster, "describe", "pods", "-n", "demo")
        out = await kactl(cluster, "delete", "-f", str(DEMO), "--timeout=40s")
        assert out.splitlines()[-1] == 'service "web" deleted from demo namespace'
        assert "not found" in await kactl(cluster, "get", "ns", "demo", code=1)


async def test_bad_manifests_are_one_line_each(tmp_path: Path) -> None:
    async with Cluster() as cluster:
        cases = {
            "unknown field": {**deployment(), "spec": {**deployment()["spec"], "replcas": 3}},
            "no matches for kind": {"apiVersion": "x/v1", "kind": "Widget", "metadata": {"name": "w"}},
            "is invalid": {**deployment(), "metadata": {"name": "Not_A_Name", "namespace": "default"}},
        }
        for text, obj in cases.items():
            path = tmp_path / "bad.yaml"
            path.write_text(json.dumps(obj))
            out = await kactl(cluster, "apply", "-f", str(path), code=1)
            assert text in out
            assert out.count("\n") == 1, out
        assert (await cluster.client.list(DEPLOYMENTS, "default")).items == []


def _pki(cluster: Cluster) -> Any:
    from kube_actors.cluster.pki import Pki

    return Pki.open(cluster.plan.paths.pki)


def _pair(pki: Any, user: str) -> dict[str, bytes]:
    issued = pki.issue(user, ("system:masters",))
    return {"certificate": issued.certificate, "key": issued.key}
