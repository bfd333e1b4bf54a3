"""Claims and volumes: what the binder plans, by example and by chance."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, key_of, make_key
from kube_actors.api.volumes import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    CLAIMS,
    DATA_FINALIZER,
    DEFAULT_MARKS,
    LOCAL_PATH,
    PROVISIONED_BY,
    SELECTED_NODE,
    SHARED,
    VOLUMES,
    find_match,
    mismatch,
)
from kube_actors.controllers.actions import Action, CreateObject, DeleteObject, PatchObject, RecordEvent, UpdateObject
from kube_actors.controllers.persistentvolume import expander, protection
from kube_actors.controllers.persistentvolume.claims import World, plan_claim
from kube_actors.controllers.persistentvolume.provision import provisioners
from kube_actors.controllers.persistentvolume.volumes import plan_volume

OURS = provisioners("/volumes", "/shared", keeps_files=True)
NODE = {"metadata": {"name": "node-1", "labels": {"kubernetes.io/hostname": "host-1"}}}
CLASSES = {
    "by-hand": {"metadata": {"name": "by-hand"}, "provisioner": "kubernetes.io/no-provisioner"},
    "local": {
        "metadata": {"name": "local"},
        "provisioner": LOCAL_PATH,
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    },
    "shared": {"metadata": {"name": "shared"}, "provisioner": SHARED, "reclaimPolicy": "Retain"},
    "cloud": {"metadata": {"name": "cloud"}, "provisioner": "ebs.example.com"},
}


def claim(name: str = "data", class_name: str = "by-hand", size: str = "1Gi", **spec: Any) -> Obj:
    wanted = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
        "storageClassName": class_name,
    }
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": wanted | spec, "status": {"phase": "Pending"}}


def volume(
    name: str = "v", class_name: str = "by-hand", size: str = "1Gi", phase: str = "Available", **spec: Any
) -> Obj:
    wanted = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": class_name}
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": wanted | spec, "status": {"phase": phase}}


def reference(of: Obj) -> Obj:
    metadata = of["metadata"]
    return {"namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def with_marks(obj: Obj, marks: dict[str, str]) -> Obj:
    return obj | {"metadata": obj["metadata"] | {"annotations": marks}}


def world(*volumes: Obj) -> World:
    by_name = {each["metadata"]["name"]: each for each in volumes}
    return World(by_name.get, lambda: list(volumes), CLASSES.get, CLASSES.values, {"node-1": NODE}.get, OURS)


def events(actions: list[Action]) -> list[tuple[str, str]]:
    return [(each.reason, each.message) for each in actions if isinstance(each, RecordEvent)]


def writes(actions: list[Action]) -> list[Action]:
    return [each for each in actions if not isinstance(each, RecordEvent)]


def test_both_sides_are_written_the_volume_first() -> None:
    planned = plan_claim(claim(), world(volume()))
    kinds = [(type(each).__name__, each.resource.plural) for each in planned]  # type: ignore[union-attr]
    assert kinds == [
        ("UpdateObject", "persistentvolumes"),
        ("PatchObject", "persistentvolumes"),
        ("UpdateObject", "persistentvolumeclaims"),
        ("PatchObject", "persistentvolumeclaims"),
    ]
    first, _, third, _ = planned
    assert isinstance(first, UpdateObject)
    assert first.obj["spec"]["claimRef"]["uid"] == "uid-data"
    assert annotations_of(first.obj) == {BOUND_BY_CONTROLLER: "yes"}
    assert isinstance(third, UpdateObject)
    assert third.obj["spec"]["volumeName"] == "v"
    assert annotations_of(third.obj) == {BIND_COMPLETED: "yes", BOUND_BY_CONTROLLER: "yes"}


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (volume(size="1Mi"), "requested PV is too small"),
        (volume(class_name="other"), "storageClassName does not match"),
        (volume(volumeMode="Block"), "incompatible volumeMode"),
        (volume(accessModes=["ReadOnlyMany"]), "incompatible accessMode"),
    ],
)
def test_a_volume_that_does_not_serve_says_why(of: Obj, why: str) -> None:
    assert mismatch(of, claim()) == why
    assert find_match(claim(), [of]) is None
    planned = plan_claim(claim(volumeName="v"), world(of))
    assert events(planned) == [("VolumeMismatch", f'Cannot bind to requested volume "v": {why}')]


def test_the_smallest_volume_wins_and_one_set_aside_beats_it() -> None:
    aside = volume("aside", size="9Gi", claimRef={"namespace": "default", "name": "data"})
    assert find_match(claim(), [volume("big", size="5Gi"), volume("small")])["metadata"]["name"] == "small"  # type: ignore[index]
    assert find_match(claim(), [volume("small"), aside]) is aside
    assert find_match(claim(), [volume("small"), aside], delayed=True) is aside
    assert find_match(claim(), [volume("small")], delayed=True) is None


def test_volumes_of_others_released_ones_and_deleted_ones_are_not_taken() -> None:
    others = volume(claimRef={"namespace": "default", "name": "other", "uid": "x"})
    deleted = volume()
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    reborn = volume(claimRef={"namespace": "default", "name": "data", "uid": "an older one"})
    assert find_match(claim(), [others, deleted, volume(phase="Released"), reborn]) is None


def test_a_claim_of_a_class_that_waits_is_left_to_the_scheduler() -> None:
    planned = plan_claim(claim(class_name="local"), world())
    assert events(planned) == [("WaitForFirstConsumer", "waiting for first consumer to be created before binding")]
    assert writes(planned) == []


def test_a_claim_whose_node_is_known_gets_a_folder_there() -> None:
    wanted = claim(class_name="local")
    first = plan_claim(with_marks(wanted, {SELECTED_NODE: "node-1"}), world())
    (annotate,) = writes(first)
    assert isinstance(annotate, UpdateObject)
    begun, created, done = plan_claim(annotate.obj, world())
    assert begun == RecordEvent(
        annotate.obj, "Normal", "Provisioning", 'External provisioner is provisioning volume for claim "default/data"',
        LOCAL_PATH,
    )  # fmt: skip
    text = "Successfully provisioned volume pvc-uid-data"
    assert done == RecordEvent(annotate.obj, "Normal", "ProvisioningSucceeded", text, LOCAL_PATH)
    assert isinstance(created, CreateObject)
    made = created.obj
    assert made["metadata"]["name"] == "pvc-uid-data"
    assert made["metadata"]["finalizers"] == [DATA_FINALIZER]
    assert made["spec"]["hostPath"] == {"path": "/volumes/pvc-uid-data", "type": "DirectoryOrCreate"}
    assert made["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    (term,) = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["host-1"]}]


def test_a_node_that_is_gone_is_taken_off_the_claim() -> None:
    marks = {SELECTED_NODE: "gone"} | dict.fromkeys(
        ("volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"), LOCAL_PATH
    )
    planned = plan_claim(with_marks(claim(class_name="local"), marks), world())
    assert [each.patch for each in planned if isinstance(each, PatchObject)] == [
        {"metadata": {"annotations": {SELECTED_NODE: None}}}
    ]


def test_an_external_provisioner_is_told_by_annotations_and_waited_for() -> None:
    (annotate,) = writes(plan_claim(claim(class_name="cloud"), world()))
    assert isinstance(annotate, UpdateObject)
    planned = plan_claim(annotate.obj, world())
    assert [reason for reason, _ in events(planned)] == ["ExternalProvisioning"]
    assert "'ebs.example.com'" in events(planned)[0][1]


def test_a_claim_that_names_no_class_gets_the_default_one_when_there_is_one() -> None:
    nameless = claim()
    del nameless["spec"]["storageClassName"]
    marked: Obj = {"metadata": {"name": "fast", "annotations": {DEFAULT_MARKS[0]: "true"}}}
    with_default = replace(world(), storage_classes=lambda: [marked])
    assert [reason for reason, _ in events(plan_claim(nameless, world()))] == ["FailedBinding"]
    (assigned,) = plan_claim(nameless, with_default)
    assert isinstance(assigned, UpdateObject)
    assert assigned.obj["spec"] == nameless["spec"] | {"storageClassName": "fast"}
    # An empty name asks for a volume without a class, and a volume that is there comes before a class.
    assert writes(plan_claim(claim(class_name=""), with_default)) == []
    there = replace(world(volume(class_name="")), storage_classes=lambda: [marked])
    assert writes(plan_claim(nameless, there)) == writes(plan_claim(nameless, world(volume(class_name=""))))


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (claim(class_name=""), "no persistent volumes available for this claim and no storage class is set"),
        (claim(class_name="by-hand"), "no volume plugin matched name: kubernetes.io/no-provisioner"),
        (claim(class_name="nope"), 'storageclass.storage.k8s.io "nope" not found'),
    ],
)
def test_a_claim_that_nobody_serves_says_why(wanted: Obj, reason: str) -> None:
    assert events(plan_claim(wanted, world()))[0][1] == reason


def test_a_bound_claim_that_loses_its_volume_is_lost_once() -> None:
    bound = with_marks(claim(volumeName="v"), {BIND_COMPLETED: "yes"}) | {"status": {"phase": "Bound"}}
    planned = plan_claim(bound, world())
    assert events(planned) == [("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")]
    assert plan_claim(bound | {"status": {"phase": "Lost"}}, world()) == []


def test_a_volume_without_its_claim_is_released_then_reclaimed_by_its_policy() -> None:
    ref = reference(claim())
    ours = with_marks(volume(phase="Bound", claimRef=ref), {PROVISIONED_BY: LOCAL_PATH})
    (released,) = plan_volume(ours, None, OURS)
    assert isinstance(released, PatchObject)
    assert released.patch["status"]["phase"] == "Released"
    keep = ours | {"status": {"phase": "Released"}}
    assert plan_volume(keep, None, OURS) == []
    deletes = keep | {"spec": keep["spec"] | {"persistentVolumeReclaimPolicy": "Delete"}}
    (deleted,) = plan_volume(deletes, None, OURS)
    assert isinstance(deleted, DeleteObject)
    by_hand = with_marks(deletes, {})
    assert events(plan_volume(by_hand, None, OURS))[0][0] == "VolumeFailedDelete"
    external = with_marks(deletes, {PROVISIONED_BY: "ebs.example.com"})
    assert plan_volume(external, None, OURS) == []


def test_a_claim_of_the_same_name_is_another_claim() -> None:
    old = volume(phase="Bound", claimRef=reference(claim()) | {"uid": "older"})
    (released,) = plan_volume(old, claim(volumeName="v"), OURS)
    assert isinstance(released, PatchObject)
    assert released.patch["status"]["phase"] == "Released"


def test_a_volume_whose_claim_took_another_is_given_free() -> None:
    chosen = with_marks(volume(phase="Bound", claimRef=reference(claim())), {BOUND_BY_CONTROLLER: "yes"})
    freed, phase = plan_volume(chosen, claim(volumeName="another"), OURS)
    assert isinstance(freed, UpdateObject)
    assert "claimRef" not in freed.obj["spec"]
    assert isinstance(phase, PatchObject)
    assert phase.patch["status"]["phase"] == "Available"


def test_a_claim_grows_after_its_volume() -> None:
    bound = claim(size="3Gi") | {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    ours = with_marks(volume(), {PROVISIONED_BY: SHARED})
    first, second, _ = expander.plan(bound, ours)
    assert isinstance(first, PatchObject)
    assert isinstance(second, PatchObject)
    assert (first.resource, second.resource) == (VOLUMES, CLAIMS)
    assert expander.plan(bound, volume()) == []
    assert expander.plan(bound | {"status": {"phase": "Bound", "capacity": {"storage": "3Gi"}}}, ours) == []


def test_protection_holds_what_is_in_use_and_lets_go_of_what_is_not() -> None:
    present = claim()
    (given_it,) = protection.plan(CLAIMS, present, "f", in_use=False)
    assert given_it.obj["metadata"]["finalizers"] == ["f"]
    deleted = copy.deepcopy(given_it.obj)
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert protection.plan(CLAIMS, deleted, "f", in_use=True) == []
    (let_go,) = protection.plan(CLAIMS, deleted, "f", in_use=False)
    assert let_go.obj["metadata"]["finalizers"] == []


# By chance: any claims and volumes, plans performed in any order, some of them only in part.

SIZES = st.sampled_from(["1Gi", "2Gi", "4Gi"])


class Small:
    """A cluster of claims and volumes in which plans are performed."""

    def __init__(self, claims: list[Obj], volumes: list[Obj]) -> None:
        self.claims = {key_of(each): each for each in claims}
        self.volumes = {key_of(each): each for each in volumes}

    def world(self) -> World:
        return World(
            self.volumes.get,
            lambda: list(self.volumes.values()),
            CLASSES.get,
            CLASSES.values,
            {"node-1": NODE}.get,
            OURS,
        )

    def plan(self, key: str) -> list[Action]:
        if key in self.claims:
            return writes(plan_claim(self.claims[key], self.world()))
        if key not in self.volumes:
            return []
        ref = self.volumes[key]["spec"].get("claimRef")
        of = self.claims.get(make_key(ref["namespace"], ref["name"])) if ref else None
        return writes(plan_volume(self.volumes[key], of, OURS))

    def perform(self, action: Action) -> None:
        assert isinstance(action, CreateObject | UpdateObject | PatchObject | DeleteObject)
        of = self.claims if action.resource is CLAIMS else self.volumes
        if isinstance(action, CreateObject):
            of[key_of(action.obj)] = action.obj | {"status": {"phase": "Pending"}}
            of[key_of(action.obj)]["metadata"].setdefault("uid", "made")
        elif isinstance(action, UpdateObject):
            of[key_of(action.obj)] = action.obj | {"status": of[key_of(action.obj)]["status"]}
        elif isinstance(action, PatchObject):
            key = make_key(action.namespace, action.name)
            (part,) = action.patch
            of[key] = of[key] | {part: of[key].get(part, {}) | action.patch[part]}
        else:
            del of[action.name]

    def check(self) -> None:
        taken = [each["spec"]["volumeName"] for each in self.claims.values() if each["spec"].get("volumeName")]
        assert len(taken) == len(set(taken)), "two claims have one volume"
        for each in self.claims.values():
            if BIND_COMPLETED in annotations_of(each):
                of = self.volumes[each["spec"]["volumeName"]]
                assert of["spec"]["claimRef"]["uid"] == each["metadata"]["uid"]
                assert mismatch(of, each) == ""


@given(st.lists(SIZES, max_size=5), st.lists(SIZES, max_size=5), st.data())
def test_plans_in_any_order_and_in_parts_never_share_a_volume_and_come_to_rest(
    wanted: list[str], offered: list[str], data: st.DataObject
) -> None:
    classes = st.sampled_from(["by-hand", "shared"])
    small = Small(
        [claim(f"c{number}", data.draw(classes), size) for number, size in enumerate(wanted)],
        [volume(f"v{number}", "by-hand", size) for number, size in enumerate(offered)],
    )
    keys = [*small.claims, *small.volumes]
    for key in data.draw(st.lists(st.sampled_from(keys), max_size=20)) if keys else ():
        actions = small.plan(key)
        for action in actions[: data.draw(st.integers(0, 4))]:
            small.perform(action)
            small.check()
    for _ in range(10):
        planned = [action for key in [*small.claims, *small.volumes] for action in small.plan(key)[:1]]
        if not planned:
            break
        for key in [*small.claims, *small.volumes]:
            for action in small.plan(key):
                small.perform(action)
                small.check()
    assert [action for key in [*small.claims, *small.volumes] for action in small.plan(key)] == []
    for each in small.claims.values():
        if each["spec"]["storageClassName"] == "shared":
            assert each["status"]["phase"] == "Bound"
