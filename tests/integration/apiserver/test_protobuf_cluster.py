"""kubectl's typed commands, whose bodies are protobuf, against a whole cluster whose pods run."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest

from kube_actors.cluster.embedded import Cluster


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH")
async def test_a_deployment_made_scaled_changed_and_drained_by_kubectl(tmp_path):
    async with Cluster(nodes=2) as cluster:

        async def kubectl(*words: str) -> str:
            process = await asyncio.create_subprocess_exec(
                "kubectl",
                f"--kubeconfig={cluster.kubeconfig}",
                f"--cache-dir={tmp_path}",
                *words,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            async with asyncio.timeout(60):
                output = (await process.communicate())[0].decode()
            assert process.returncode == 0, output
            return output

        await kubectl("create", "namespace", "demo")
        await kubectl("create", "deployment", "web", "-n", "demo", "--image=web:1", "--replicas=2")
        await kubectl("rollout", "status", "deployment/web", "-n", "demo", "--timeout=30s")
        await kubectl("scale", "deployment/web", "-n", "demo", "--replicas=3")
        await kubectl("set", "image", "deployment/web", "-n", "demo", "web=web:2")
        await kubectl("rollout", "status", "deployment/web", "-n", "demo", "--timeout=30s")
        await kubectl("expose", "deployment/web", "-n", "demo", "--port=80")
        pods = json.loads(await kubectl("get", "pods", "-n", "demo", "-o", "json"))["items"]
        running = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        assert [pod["spec"]["containers"][0]["image"] for pod in running] == ["web:2"] * 3
        node = running[0]["spec"]["nodeName"]
        await kubectl("cordon", node)
        assert "SchedulingDisabled" in await kubectl("get", "node", node)
        # Evictions, each a protobuf body of a subresource.
        drained = await kubectl("drain", node, "--ignore-daemonsets", "--force", "--timeout=40s")
        assert f"pod/{running[0]['metadata']['name']} evicted" in drained
        await kubectl("uncordon", node)
        await kubectl("scale", "deployment/web", "-n", "demo", "--replicas=0")
        await kubectl("delete", "deployment/web", "service/web", "-n", "demo")
        await kubectl("delete", "namespace", "demo", "--timeout=40s")
