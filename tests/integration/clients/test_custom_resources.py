"""Custom resources as others use them: kopf, the official Python client, the garbage collector, namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, dynamic

from kube_actors.cluster.embedded import Cluster

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "greetings.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "greetings", "singular": "greeting", "kind": "Greeting", "shortNames": ["gr"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"text": {"type": "string", "default": "hello"}}},
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


# The official client leaves its sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def what_the_client_left_goes_with_its_test() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(nodes=1) as running:
        yield running


@pytest.fixture
async def library(cluster: Cluster) -> AsyncIterator[Callable[..., Any]]:
    """Calls a function of the (synchronous) official client in a thread, with its dynamic client first."""
    api = await asyncio.to_thread(config.new_client_from_config, str(cluster.kubeconfig))

    async def call(work: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.to_thread(lambda: work(dynamic.DynamicClient(api), *args))

    yield call
    api.close()


def apply_definition(found: dynamic.DynamicClient) -> None:
    """Create the CRD and wait until its resource is served, as a user of the library does."""
    found.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition").create(body=CRD)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found.resources.invalidate_cache()
        try:
            greetings(found).get(namespace="default")
            return
        except (dynamic.exceptions.ResourceNotFoundError, dynamic.exceptions.NotFoundError):
            time.sleep(0.05)
    raise TimeoutError("the custom resource is not served")


def greetings(found: dynamic.DynamicClient) -> Any:
    return found.resources.get(api_version="example.com/v1", kind="Greeting")


def greeting(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Greeting", "metadata": {"name": name}, "spec": spec}


async def gone(read: Callable[[], Any], seconds: float = 20) -> None:
    """Until the object that `read` reads is not found."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await asyncio.to_thread(read)
            except (client.ApiException, dynamic.exceptions.NotFoundError) as error:
                if error.status == 404:
                    return
                raise
            await asyncio.sleep(0.05)


async def test_the_dynamic_client_creates_lists_patches_and_watches(library: Callable[..., Any]) -> None:
    def work(found: dynamic.DynamicClient) -> list[tuple[str, str, str]]:
        apply_definition(found)
        resource = greetings(found)
        made = resource.create(body=greeting("a"), namespace="default")
        assert made.spec.text == "hello"
        seen = []
        for event in resource.watch(namespace="default", resource_version=made.metadata.resourceVersion, timeout=10):
            obj = event["object"]
            seen.append((event["type"], obj.metadata.name, obj.spec.text))
            if event["type"] == "DELETED":
                break
            resource.delete(name="a", namespace="default")
        else:
            raise AssertionError("the watch ended before the deletion")
        return seen

    def begin(found: dynamic.DynamicClient) -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                content = "application/merge-patch+json"
                greetings(found).patch(
                    name="a", namespace="default", body={"spec": {"text": "bye"}}, content_type=content
                )
                return
            except (dynamic.exceptions.ResourceNotFoundError, dynamic.exceptions.NotFoundError):
                found.resources.invalidate_cache()
                time.sleep(0.05)

    seen, _ = await asyncio.gather(library(work), library(begin))
    assert seen == [("MODIFIED", "a", "bye"), ("DELETED", "a", "bye")]


OPERATOR = """
import kopf
from kubernetes import client, config


@kopf.on.startup()
def start(settings, **_):
    config.load_kube_config()
    settings.posting.enabled = False


@kopf.on.create("example.com", "v1", "greetings")
def create(spec, name, namespace, **_):
    body = {"metadata": {"name": f"{name}-text"}, "data": {"text": spec["text"]}}
    kopf.adopt(body)
    client.CoreV1Api().create_namespaced_config_map(namespace, body)
    return {"said": spec["text"]}


@kopf.on.delete("example.com", "v1", "greetings")
def delete(name, namespace, **_):
    client.CoreV1Api().create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-was-here"}})
"""


@contextlib.asynccontextmanager
async def operating(cluster: Cluster, folder: Path) -> AsyncIterator[None]:
    """`kopf run`, as an operator is run, for as long as the block."""
    script = folder / "operator.py"
    script.write_text(OPERATOR)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kopf", "run", "--standalone", "--namespace=default", str(script)),
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def test_a_kopf_operator_follows_a_custom_resource_and_the_garbage_collector_its_owner(
    cluster: Cluster, library: Callable[..., Any], tmp_path: Path
) -> None:
    await library(apply_definition)
    api = await asyncio.to_thread(config.new_client_from_config, str(cluster.kubeconfig))
    core = client.CoreV1Api(api)
    async with operating(cluster, tmp_path):
        await library(lambda found: greetings(found).create(body=greeting("world"), namespace="default"))
        async with asyncio.timeout(60):
            while True:
                made = await library(lambda found: greetings(found).get(name="world", namespace="default"))
                if (made.to_dict().get("status") or {}).get("create") == {"said": "hello"}:
                    break
                await asyncio.sleep(0.1)
        assert made.metadata.finalizers == ["kopf.zalando.org/KopfFinalizerMarker"]
        await library(lambda found: greetings(found).delete(name="world", namespace="default"))
        await gone(lambda: core.read_namespaced_config_map("world-text", "default"))
        await asyncio.to_thread(core.read_namespaced_config_map, "world-was-here", "default")
    api.close()


async def test_a_namespace_takes_its_custom_resources_with_it(library: Callable[..., Any]) -> None:
    def work(found: dynamic.DynamicClient) -> Any:
        apply_definition(found)
        namespaces = found.resources.get(api_version="v1", kind="Namespace")
        namespaces.create(body={"metadata": {"name": "short"}})
        greetings(found).create(body=greeting("a"), namespace="short")
        namespaces.delete(name="short")
        return namespaces, greetings(found)

    namespaces, resource = await library(work)
    await gone(lambda: namespaces.get(name="short"))
    await gone(lambda: resource.get(name="a", namespace="short"))
