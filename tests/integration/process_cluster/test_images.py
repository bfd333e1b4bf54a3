"""Images of the process runtime are folders and tars: as volumes, and what of them is garbage."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from tests.integration.process_cluster.cluster import NOBODY, ProcessCluster
from tests.integration.process_cluster.conftest import namespace, needs_root, running
from tests.kactl_cluster import until

# More of the disk is in use than one percent: whatever may go goes.
COLLECT = """
workers:
  imageGCHighThresholdPercent: 1
  imageGCLowThresholdPercent: 0
  imageMinimumGCAge: 4s
  imageGCPeriod: 2s
"""
READ = "cat /v/file; touch /v/new 2>&1; /v/run 2>&1; sleep 1000"


def image(folder: Path) -> tuple[Path, Path]:
    """A folder and a tar of it, for everybody to read."""
    root = folder / "image"
    root.mkdir()
    (root / "file").write_text("content\n")
    (root / "run").write_text("#!/bin/sh\necho ran\n")
    (root / "run").chmod(0o755)
    with tarfile.open(folder / "image.tar", "w") as archive:
        archive.add(root, ".")
    return root, folder / "image.tar"


def pod(name: str, reference: object, script: str = READ) -> Any:
    container = {
        "name": "c",
        "image": "host",
        "command": ["sh", "-c", script],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    volumes = [{"name": "v", "image": {"reference": str(reference)}}]
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


@needs_root()
def test_a_folder_and_a_tar_are_read_only_volumes_and_only_the_copy_is_garbage(tmp_path: Path) -> None:
    folder, tar = image(tmp_path)
    with running(ProcessCluster(COLLECT, name="images")) as cluster, namespace(cluster) as space:
        space.create(pod("folder", folder), pod("tar", tar), pod("none", tmp_path / "missing"), pod("host", "host"))
        for name in ("folder", "tar"):
            space.wait(name)
            lines = until(lambda name=name: len(said := space.kubectl("logs", name).splitlines()) == 3 and said)
            assert lines[0] == "content"
            assert lines[1].endswith("Read-only file system")
            assert lines[2].endswith("Permission denied")
        for name, text in (("none", "missing does not exist"), ("host", "has no files here")):
            until(lambda name=name, text=text: text in str(space.container(name)["state"]))
        copies = cluster.node_folder / "runtime/images"
        assert len(list(copies.iterdir())) == 1
        space.kubectl("delete", "pod", "tar")
        until(lambda: not list(copies.iterdir()), "the unpacked tar is gone")
        assert sorted(each.name for each in folder.iterdir()) == ["file", "run"]
        assert tar.exists()
        assert "content" in space.kubectl("exec", "folder", "--", "cat", "/v/file")


@needs_root()
def test_without_rights_an_image_is_a_volume_too(open_folder: Path) -> None:
    folder, tar = image(open_folder)
    with running(ProcessCluster(name="images-nobody", uid=NOBODY)) as cluster, namespace(cluster) as space:
        space.create(pod("folder", folder, "cat /v/file; sleep 1000"), pod("tar", tar, "cat /v/file; sleep 1000"))
        for name in ("folder", "tar"):
            space.wait(name)
            until(lambda name=name: space.kubectl("logs", name) == "content\n")
