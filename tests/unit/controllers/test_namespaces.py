"""Namespace deletion, default service accounts and root CAs, against a server in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kube_actors.api import errors
from kube_actors.api.meta import condition
from kube_actors.api.resources import CONFIGMAPS, NAMESPACES, PODS, SECRETS, SERVICE_ACCOUNTS
from kube_actors.controllers.namespace.controller import NamespaceController
from kube_actors.controllers.root_ca import RootCAController
from kube_actors.controllers.service_account import ServiceAccountController

pytestmark = pytest.mark.looptime

TERMINATING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def terminating(of: Any, name: str = "team") -> Any:
    # The fake server looks at metadata.finalizers alone; the real one at spec.finalizers too.
    kept = {"finalizers": ["kept"]} | TERMINATING
    return of("Namespace", name, spec={"finalizers": ["kubernetes"]}, status={"phase": "Terminating"}, **kept)


async def test_everything_in_a_terminating_namespace_goes_and_then_it_goes_itself(
    server: Any, run: Any, of: Any
) -> None:
    for kind in ("ConfigMap", "Secret", "Service", "Pod"):
        server.put(of(kind, "x", namespace="team"))
    server.put(of("ConfigMap", "other"))
    server.put(terminating(of))
    await run(NamespaceController)
    assert server.peek(NAMESPACES, "team") is None
    assert server.objects(PODS) == server.objects(SECRETS) == []
    assert len(server.objects(CONFIGMAPS)) == 1


async def test_pods_go_first_and_what_holds_one_holds_the_rest(server: Any, run: Any, of: Any) -> None:
    server.put(of("Pod", "held", namespace="team", finalizers=["x/y"]))
    server.put(of("ConfigMap", "needed", namespace="team"))
    server.put(terminating(of))
    await run(NamespaceController)
    await asyncio.sleep(60)
    assert server.peek(CONFIGMAPS, "team/needed") is not None
    namespace = server.peek(NAMESPACES, "team")
    assert condition(namespace, "NamespaceDeletionContentFailure") is not None
    remaining = condition(namespace, "NamespaceContentRemaining")
    assert remaining["message"] == "Some resources are remaining: pods. has 1 resource instances"
    held = condition(namespace, "NamespaceFinalizersRemaining")
    assert (held["status"], held["reason"]) == ("True", "SomeFinalizersRemain")
    assert held["message"] == "Some content in the namespace has finalizers remaining: x/y in 1 resource instances"
    server.remove(PODS, "team/held")
    await asyncio.sleep(1)
    assert server.peek(NAMESPACES, "team") is None


async def test_a_refused_deletion_is_told_and_tried_again(server: Any, run: Any, of: Any) -> None:
    server.put(of("Secret", "x", namespace="team"))
    server.fail("delete", SECRETS, errors.Forbidden("no"), times=5)
    server.put(terminating(of))
    await run(NamespaceController)
    # Five refusals at the backoff of the queue are over within the first second.
    assert server.peek(NAMESPACES, "team") is None


async def test_a_namespace_of_another_finalizer_keeps_it(server: Any, run: Any, of: Any) -> None:
    namespace = terminating(of)
    namespace["spec"]["finalizers"] = ["kubernetes", "mine"]
    server.put(namespace)
    await run(NamespaceController)
    assert server.peek(NAMESPACES, "team")["spec"]["finalizers"] == ["mine"]


async def test_a_living_namespace_is_left_alone(server: Any, run: Any, of: Any) -> None:
    server.put(of("Namespace", "team", spec={"finalizers": ["kubernetes"]}))
    server.put(of("Secret", "x", namespace="team"))
    await run(NamespaceController)
    assert server.changes() == []


async def test_every_namespace_gets_its_account_and_its_root_ca_again_and_again(server: Any, run: Any, of: Any) -> None:
    server.put(of("Namespace", "team", status={"phase": "Active"}))
    await run(ServiceAccountController, RootCAController)
    assert server.peek(SERVICE_ACCOUNTS, "team/default") is not None
    published = server.peek(CONFIGMAPS, "team/kube-root-ca.crt")
    assert published["data"] == {"ca.crt": "CA"}
    assert "kubernetes.io/description" in published["metadata"]["annotations"]
    server.remove(SERVICE_ACCOUNTS, "team/default")
    server.put(published | {"data": {"ca.crt": "another", "more": "x"}})
    await asyncio.sleep(1)
    assert server.peek(SERVICE_ACCOUNTS, "team/default") is not None
    assert server.peek(CONFIGMAPS, "team/kube-root-ca.crt")["data"] == {"ca.crt": "CA"}
    server.remove(CONFIGMAPS, "team/kube-root-ca.crt")
    await asyncio.sleep(1)
    assert server.peek(CONFIGMAPS, "team/kube-root-ca.crt") is not None


async def test_a_terminating_namespace_gets_nothing(server: Any, run: Any, of: Any) -> None:
    server.put(terminating(of))
    await run(ServiceAccountController, RootCAController)
    assert server.changes() == []
