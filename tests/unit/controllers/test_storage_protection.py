"""When the finalizers of claims, volumes and volume classes go."""

from __future__ import annotations

import asyncio

import pytest

from kube_actors.controllers import pv_protection, pvc_protection, vac_protection
from kube_actors.controllers.pvc_protection import PVCProtectionController

DELETED = "2026-01-01T00:00:00Z"


def held(finalizer: str, name: str = "x", **fields):
    metadata = {"name": name, "namespace": "default", "deletionTimestamp": DELETED, "finalizers": ["mine", finalizer]}
    return {"metadata": metadata, **fields}


def pod(volume: dict, node: str = "n", phase: str = "Running"):
    spec = {"nodeName": node, "volumes": [{"name": "v", **volume}]}
    return {"metadata": {"name": "p", "namespace": "default"}, "spec": spec, "status": {"phase": phase}}


MOUNT = {"persistentVolumeClaim": {"claimName": "x"}}


@pytest.mark.parametrize(
    ("pods", "stays"),
    [
        ([], False),
        ([pod(MOUNT)], True),
        ([pod(MOUNT, phase="Succeeded")], False),
        ([pod(MOUNT, node="")], False),
        ([pod({"persistentVolumeClaim": {"claimName": "other"}})], False),
    ],
)
def test_a_claim_stays_while_a_running_pod_mounts_it(pods, stays):
    actions = pvc_protection.plan(held(pvc_protection.FINALIZER), pods)
    assert bool(actions) != stays
    if actions:
        assert actions[0].obj["metadata"]["finalizers"] == ["mine"]


def test_a_claim_made_for_a_pod_is_its_own():
    claim = held(pvc_protection.FINALIZER, "p-v")
    assert pvc_protection.plan(claim, [pod({"ephemeral": {}})]) == []


def test_a_claim_that_is_not_deleted_keeps_its_finalizer():
    claim = held(pvc_protection.FINALIZER)
    del claim["metadata"]["deletionTimestamp"]
    assert pvc_protection.plan(claim, []) == []


def test_a_bound_volume_stays():
    assert pv_protection.plan(held(pv_protection.FINALIZER, status={"phase": "Bound"})) == []
    assert pv_protection.plan(held(pv_protection.FINALIZER, status={"phase": "Released"}))


def test_a_class_that_a_claim_names_stays():
    user = {"metadata": {"name": "c"}, "spec": {"volumeAttributesClassName": "x"}}
    assert vac_protection.plan(held(vac_protection.FINALIZER), [user]) == []
    assert vac_protection.plan(held(vac_protection.FINALIZER, "y"), [user])


async def test_a_deleted_claim_goes_with_its_last_pod(server, run, of):
    await run(PVCProtectionController)
    claim = of("PersistentVolumeClaim", "x", finalizers=[pvc_protection.FINALIZER], deletionTimestamp=DELETED)
    running = of("Pod", "p", spec=pod(MOUNT)["spec"], status={"phase": "Running"})
    server.put(running)
    server.put(claim)
    await asyncio.sleep(1)
    assert server.objects(pvc_protection.CLAIMS)[0]["metadata"]["finalizers"] == [pvc_protection.FINALIZER]
    server.put({**running, "status": {"phase": "Succeeded"}})
    await asyncio.sleep(1)
    left = server.objects(pvc_protection.CLAIMS)
    assert not left or not left[0]["metadata"].get("finalizers")
