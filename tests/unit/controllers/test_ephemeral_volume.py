"""Claims of generic ephemeral volumes, and what is told where there can be none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kube_actors.api import Obj, errors
from kube_actors.api.meta import controller_of
from kube_actors.api.resources import EVENTS
from kube_actors.api.volumes import CLAIMS
from kube_actors.controllers.ephemeral_volume import EphemeralVolumeController

pytestmark = pytest.mark.looptime


def pod(of: Any) -> Obj:
    template = {"spec": {"accessModes": ["ReadWriteOnce"]}}
    obj: Obj = of("Pod", "p", spec={"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]})
    return obj


def told(server: Any) -> set[tuple[str, str, str]]:
    events = server.objects(EVENTS)
    return {(event["source"]["component"], event["reason"], event["message"]) for event in events}


async def test_a_claim_that_is_refused_is_told_and_tried_again(server: Any, run: Any, of: Any) -> None:
    server.fail("create", CLAIMS, errors.Forbidden("exceeded quota"), times=1)
    server.put(pod(of))
    await run(EphemeralVolumeController)
    assert controller_of(server.peek(CLAIMS, "default/p-v"))["name"] == "p"
    text = "ephemeral volume v: create PVC p-v: exceeded quota"
    assert told(server) == {("ephemeral_volume", "FailedBinding", text)}


async def test_a_claim_of_somebody_else_is_told_and_replaced_once_it_is_gone(server: Any, run: Any, of: Any) -> None:
    server.put(of("PersistentVolumeClaim", "p-v"))
    server.put(pod(of))
    await run(EphemeralVolumeController)
    text = "ephemeral volume v: PVC default/p-v was not created for pod default/p (pod is not owner)"
    assert told(server) == {("ephemeral_volume", "FailedBinding", text)}
    server.remove(CLAIMS, "default/p-v")
    await asyncio.sleep(61)
    assert controller_of(server.peek(CLAIMS, "default/p-v"))["name"] == "p"
