"""When the finalizer of a volume class goes."""

from __future__ import annotations

from kube_actors.controllers.persistentvolume import vac_protection

DELETED = "2026-01-01T00:00:00Z"


def held(name: str) -> dict:
    finalizers = ["mine", vac_protection.FINALIZER]
    return {"metadata": {"name": name, "deletionTimestamp": DELETED, "finalizers": finalizers}}


def test_a_class_stays_while_a_claim_or_a_volume_names_it():
    claim = {"metadata": {"name": "c"}, "spec": {"volumeAttributesClassName": "x"}}
    volume = {"metadata": {"name": "v"}, "spec": {}, "status": {"currentVolumeAttributesClassName": "y"}}
    assert vac_protection.plan(held("x"), [claim, volume]) == []
    assert vac_protection.plan(held("y"), [claim, volume]) == []
    (action,) = vac_protection.plan(held("z"), [claim, volume])
    assert action.obj["metadata"]["finalizers"] == ["mine"]
