"""Persistent volumes of pods on Docker, made on demand and by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.docker_cluster.cluster import Space, pod
from tests.e2e.docker_cluster.volumes import at, body
from tests.kactl_cluster import until


def claim(name: str, **spec: Any) -> Any:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}} | spec
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": wanted}


def by_hand(space: Space, name: str, source: Any, **spec: Any) -> tuple[Any, Any]:
    """A PersistentVolume on this node, and a claim that is bound to it."""
    node = space.cluster.kubectl("get", "nodes", "-o", "name").strip().removeprefix("node/")
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    shared = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""} | spec
    content = source | shared | {"capacity": {"storage": "1Mi"}, "persistentVolumeReclaimPolicy": "Retain"}
    content["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    full = f"{space.name}-{name}"
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": full}, "spec": content}
    return volume, claim(name, volumeName=full, **shared)


def of(name: str, **more: Any) -> Any:
    return {"persistentVolumeClaim": {"claimName": name} | more}


@pytest.mark.parametrize("storage_class", ["local-path", "shared"])
def test_what_a_claim_holds_outlives_pods_and_goes_with_the_claim(space: Space, storage_class: str) -> None:
    modes = ["ReadWriteOnce" if storage_class == "local-path" else "ReadWriteMany"]
    space.create(claim("data", storageClassName=storage_class, accessModes=modes))
    context = {"runAsUser": 1000, "fsGroup": 4242}
    space.create(pod("first", spec=body({"v": of("data")}, securityContext=context), volumeMounts=[at("v")]))
    space.wait("first")
    written = space.sh("first", "mkdir /v/d; echo kept >/v/d/file; stat -c '%a %g' /v /v/d")
    assert written == "2777 4242\n2755 4242"
    space.kubectl("delete", "pod", "first")
    space.create(pod("second", spec=body({"v": of("data", readOnly=True)}), volumeMounts=[at("v")]))
    space.wait("second")
    assert space.sh("second", "cat /v/d/file; (touch /v/no) 2>&1 || true").splitlines() == [
        *("kept", "touch: /v/no: Read-only file system")
    ]
    volume = space.get("pvc", "data")["spec"]["volumeName"]
    folder = Path(space.get("pv", volume)["spec"]["hostPath"]["path"])
    assert (folder / "d/file").read_text() == "kept\n"
    space.kubectl("delete", "pvc", "data", "--wait=false")
    assert space.get("pvc", "data")["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    space.kubectl("delete", "pod", "--all")
    until(lambda: not folder.exists(), "the files go with the claim")
    until(lambda: space.run("get", "pv", volume).returncode != 0, "and the volume with them")


def test_an_ephemeral_volume_goes_with_its_pod(space: Space) -> None:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    source = {"ephemeral": {"volumeClaimTemplate": {"spec": wanted | {"storageClassName": "local-path"}}}}
    space.create(pod("p", spec=body({"v": source}), volumeMounts=[at("v")]))
    space.wait("p")
    space.sh("p", "echo x >/v/file")
    volume = space.get("pvc", "p-v")["spec"]["volumeName"]
    folder = Path(space.get("pv", volume)["spec"]["hostPath"]["path"])
    assert (folder / "file").exists()
    space.kubectl("delete", "pod", "p")
    until(lambda: not folder.exists(), "the files go with the pod")
    # A claim of that name by somebody else is not the pod's.
    space.create(
        claim("q-v", storageClassName="local-path"), pod("q", spec=body({"v": source}), volumeMounts=[at("v")])
    )
    text = f"PVC {space.name}/q-v was not created for pod {space.name}/q (pod is not owner)"
    until(lambda: any(text in each for each in space.events("q")))


def test_the_group_owns_a_local_volume_and_a_host_path_stays_as_it_is(space: Space, folder: Path) -> None:
    for name in ("local", "host", "mismatch"):
        (folder / name / "deep").mkdir(parents=True)
        (folder / name / "deep/file").write_text("x")
        (folder / name / "deep/file").chmod(0o600)
    # Its top is right, so that with OnRootMismatch nobody looks below.
    os.chown(folder / "mismatch", 0, 4242)
    (folder / "mismatch").chmod(0o2770)
    policies = {"local": "Always", "host": "Always", "mismatch": "OnRootMismatch"}
    for name, policy in policies.items():
        source = {"hostPath" if name == "host" else "local": {"path": str(folder / name)}}
        context = {"fsGroup": 4242, "fsGroupChangePolicy": policy}
        wanted = pod(name, spec=body({"v": of(name)}, securityContext=context), volumeMounts=[at("v")])
        space.create(*by_hand(space, name, source), wanted)
    for name in policies:
        space.wait(name)
    shown = {name: space.sh(name, "stat -c '%a %g' /v /v/deep /v/deep/file").splitlines() for name in policies}
    assert shown["local"] == ["2775 4242", "2775 4242", "660 4242"]
    assert shown["host"] == ["755 0", "755 0", "600 0"]
    assert shown["mismatch"] == ["2770 4242", "755 0", "600 0"]
    space.kubectl("delete", "pod", "--all")
    space.kubectl("delete", "pv", *(f"{space.name}-{name}" for name in policies), "--wait=false")


def test_a_volume_that_cannot_be_had_says_why(space: Space, folder: Path) -> None:
    (folder / "file").write_text("x")
    sources: dict[str, Any] = {
        "none": {"local": {"path": str(folder / "none")}},
        "nfs": {"nfs": {"server": "10.0.0.1", "path": "/"}},
    }
    words = {
        "none": f"hostPath type check failed: {folder}/none is not a directory",
        "nfs": "this node has no persistent volumes of the kind nfs",
    }
    for name, source in sources.items():
        space.create(*by_hand(space, name, source), pod(name, spec=body({"v": of(name)}), volumeMounts=[at("v")]))
    for name, text in words.items():
        said = f'MountVolume.SetUp failed for volume "v" : {text}'
        until(lambda name=name, said=said: said in space.events(name, "FailedMount"))  # type: ignore[misc]
    (folder / "none").mkdir()
    space.wait("none")
    space.kubectl("delete", "pod", "--all")
    space.kubectl("delete", "pv", *(f"{space.name}-{name}" for name in sources), "--wait=false")


@pytest.fixture
def block_device(folder: Path) -> Iterator[str]:
    """A loop device with a file of the test behind it."""
    (folder / "disk").write_bytes(b"begin" + bytes((1 << 20) - 5))
    made = subprocess.run(["losetup", "--find", "--show", folder / "disk"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    yield made.stdout.strip()
    subprocess.run(["losetup", "--detach", made.stdout.strip()], check=True)


def test_a_block_device_is_in_the_container_as_it_is(space: Space, folder: Path, block_device: str) -> None:
    volume, wanted = by_hand(space, "disk", {"local": {"path": block_device}}, volumeMode="Block")
    device = {"volumeDevices": [{"name": "v", "devicePath": "/dev/xvda"}]}
    space.create(volume, wanted, pod("p", spec=body({"v": of("disk")}), **device))
    space.wait("p")
    script = (
        "test -b /dev/xvda && head -c 5 /dev/xvda; printf end | dd of=/dev/xvda bs=1 seek=5 conv=notrunc,fsync 2>&1"
    )
    assert space.sh("p", script).startswith("begin3+0 records in")
    assert (folder / "disk").read_bytes()[:8] == b"beginend"
    space.create(pod("q", spec=body({"v": of("disk")}), volumeMounts=[at("v")]))
    text = "volume v has volumeMode Block, but is specified in volumeMounts"
    until(lambda: f'MountVolume.SetUp failed for volume "v" : {text}' in space.events("q", "FailedMount"))
    space.kubectl("delete", "pod", "--all")
    space.kubectl("delete", "pv", f"{space.name}-disk", "--wait=false")
