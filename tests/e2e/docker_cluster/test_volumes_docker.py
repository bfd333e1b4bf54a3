"""Volumes of pods on Docker: what containers find at their mounts."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.docker_cluster.cluster import Space, pod
from tests.e2e.docker_cluster.volumes import at, body, config_map, secret
from tests.kactl_cluster import until

ATTACHED_SECONDS = 75.0


def modes(space: Space, name: str, *paths: str) -> list[str]:
    """`mode user group` of files, behind their links."""
    return space.sh(name, f"stat -Lc '%a %u %g' {' '.join(paths)}").splitlines()


def in_memory(space: Space, name: str) -> set[str]:
    """The mount points of the container that are file systems in memory."""
    mounts = [line.split() for line in space.sh(name, "cat /proc/mounts").splitlines()]
    return {mount[1] for mount in mounts if mount[2] == "tmpfs"}


def test_an_empty_dir_is_shared_outlives_containers_and_ends_with_its_pod(space: Space) -> None:
    volumes = {
        "disk": {"emptyDir": {}},
        "memory": {"emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}},
        "shm": {"emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
    }
    first = pod("p")["spec"]["containers"][0] | {
        "command": ["sh", "-c", "trap 'exit 1' TERM; while :; do sleep 0.1; done"],
        "volumeMounts": [at("disk"), at("memory"), at("shm", "/dev/shm")],
    }
    second = first | {"name": "d", "volumeMounts": [at("disk", "/deep/er"), at("memory", readOnly=True)]}
    space.create(pod("p", spec=body(volumes, first, second)))
    space.wait("p")
    assert modes(space, "p", "/disk", "/memory") == ["777 0 0", "1777 0 0"]
    assert in_memory(space, "p") & {"/disk", "/memory", "/dev/shm"} == {"/memory", "/dev/shm"}
    assert space.sh("p", "df -k /memory /dev/shm | awk 'NR>1 {print $2}'").split() == ["4096", "8192"]
    assert "No space left" in space.sh("p", "dd if=/dev/zero of=/memory/big bs=1M count=6 2>&1; rm /memory/big")
    space.sh("p", "echo kept >/disk/file; echo kept >/memory/file; chmod 700 /disk; touch /dev/shm/x")
    assert space.sh("p", "cat /deep/er/file /memory/file", "d").split() == ["kept", "kept"]
    assert "Read-only file system" in space.sh("p", "touch /memory/no 2>&1 || true", "d")

    space.sh("p", "kill 1")
    until(lambda: space.container("p")["restartCount"] == 1 and space.container("p")["state"].get("running"))
    assert space.sh("p", "cat /disk/file /memory/file").split() == ["kept", "kept"]
    assert modes(space, "p", "/disk") == ["700 0 0"]

    uid = space.pod("p")["metadata"]["uid"]
    left = space.cluster.node_folder / "pods" / uid
    assert (left / "volumes/memory").is_mount()
    space.kubectl("delete", "pod", "p")
    until(lambda: not left.exists(), "the pod's files are gone")


def test_a_host_path_is_what_its_type_says(space: Space, folder: Path) -> None:
    (folder / "file").write_text("f")
    (folder / "dir").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "sock"))
        os.mknod(folder / "block", 0o660 | 0o060000, os.makedev(7, 99))
        kinds = {
            "any": ("anything", ""),
            "made": ("new/folder", "DirectoryOrCreate"),
            "dir": ("dir", "Directory"),
            "fresh": ("fresh", "FileOrCreate"),
            "file": ("file", "File"),
            "sock": ("sock", "Socket"),
            "block": ("block", "BlockDevice"),
        }
        volumes = {
            name: {"hostPath": {"path": str(folder / path), "type": kind}} for name, (path, kind) in kinds.items()
        }
        volumes["null"] = {"hostPath": {"path": "/dev/null", "type": "CharDevice"}}
        space.create(pod("p", spec=body(volumes), volumeMounts=[at(name) for name in volumes]))
        space.wait("p")
        script = "for each in d:any d:made d:dir f:fresh f:file S:sock c:null b:block; do"
        script += (
            ' test -${each%%:*} /${each##*:} || echo "$each is not"; done; cat /file; echo w >/fresh; echo w >/made/x'
        )
        assert space.sh("p", script) == "f"
    assert (folder / "fresh").read_text() == (folder / "new/folder/x").read_text() == "w\n"
    assert ((folder / "new/folder").stat().st_mode & 0o777, (folder / "fresh").stat().st_mode & 0o777) == (0o755, 0o644)

    wrong = {
        "Directory": ("file", "is not a directory"),
        "File": ("dir", "is not a file"),
        "Socket": ("file", "is not a socket file"),
        "CharDevice": ("file", "is not a character device"),
        "BlockDevice": ("none", "is not a block device"),
        "DirectoryOrCreate": ("file", "is not a directory"),
    }
    pods = []
    for kind, (path, _) in wrong.items():
        source = {"hostPath": {"path": str(folder / path), "type": kind}}
        pods.append(pod(kind.lower(), spec=body({"v": source}), volumeMounts=[at("v")]))
    nowhere = {"hostPath": {"path": str(folder / "no/such"), "type": "FileOrCreate"}}
    space.create(*pods, pod("nowhere", spec=body({"v": nowhere}), volumeMounts=[at("v")]))
    for kind, (path, text) in wrong.items():
        said = f'MountVolume.SetUp failed for volume "v" : hostPath type check failed: {folder / path} {text}'
        until(lambda kind=kind, said=said: said in space.events(kind.lower(), "FailedMount"))  # type: ignore[misc]
    said = f'MountVolume.SetUp failed for volume "v" : open {folder}/no/such: no such file or directory'
    until(lambda: said in space.events("nowhere", "FailedMount"))
    state = space.container("directory")["state"]
    assert state == {"waiting": {"reason": "ContainerCreating"}}
    assert space.pod("directory")["status"]["phase"] == "Pending"
    # It is looked at again: what is right by now starts.
    (folder / "file").unlink()
    space.wait("directoryorcreate")


def test_config_maps_secrets_and_the_pod_itself_are_files(space: Space) -> None:
    items = [{"key": "a", "path": "deep/er/a", "mode": 0o400}, {"key": "b", "path": "b"}]
    fields = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "uid", "fieldRef": {"fieldPath": "metadata.uid"}},
        {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu", "divisor": "1m"}},
    ]
    volumes = {
        "plain": {"configMap": {"name": "cm"}},
        "again": {"configMap": {"name": "cm", "defaultMode": 0o440}},
        "items": {"secret": {"secretName": "s", "items": items, "defaultMode": 0o444}},
        "down": {"downwardAPI": {"items": fields, "defaultMode": 0o600}},
        "all": {
            "projected": {
                "sources": [
                    {"configMap": {"name": "cm", "items": [{"key": "k", "path": "sub/k"}]}},
                    {"secret": {"name": "s"}},
                    {"downwardAPI": {"items": fields[:1]}},
                    {"configMap": {"name": "none", "optional": True}},
                ]
            }
        },
        "none": {"secret": {"secretName": "none", "optional": True}},
    }
    data = config_map("cm", {"k": "v", "k.2": "w"}, binaryData={"bin": base64.b64encode(b"\0\xff").decode()})
    mounts = [at(name) for name in volumes] + [at("plain", "/twice")]
    limits = {"limits": {"cpu": "250m"}}
    space.create(data, secret("s", {"a": "1", "b": "2"}))
    space.create(pod("p", spec=body(volumes), volumeMounts=mounts, resources=limits))
    space.wait("p")
    assert space.sh("p", "cd /plain; ls; cat k k.2 /twice/k; od -An -tx1 bin").split() == [
        *("bin", "k", "k.2", "vwv", "00", "ff")
    ]
    files = ["/plain/k", "/again/k", "/items/deep/er/a", "/items/b", "/down/uid", "/all/a"]
    assert [each.split()[0] for each in modes(space, "p", *files)] == ["644", "440", "400", "444", "600", "644"]
    assert space.sh("p", "readlink /plain/k; readlink /items/deep; ls /items /none").split() == [
        *("..data/k", "..data/deep", "/items:", "b", "deep", "/none:")
    ]
    uid = space.pod("p")["metadata"]["uid"]
    assert space.sh("p", "cd /down; cat labels; echo; cat uid; echo; cat cpu").split("\n") == ['app="p"', uid, "250"]
    assert space.sh("p", "cd /all; cat sub/k a b labels") == 'v12app="p"'
    secrets = {"/items", "/down", "/all", "/none", "/var/run/secrets/kubernetes.io/serviceaccount"}
    assert in_memory(space, "p") >= secrets
    assert not in_memory(space, "p") & {"/plain", "/again", "/twice"}
    assert modes(space, "p", "/plain", "/items", "/all") == ["777 0 0", "1777 0 0", "1777 0 0"]
    if tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 4):
        mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if uid in line]
        assert all("noswap" in line for line in mounts)
    for path in ("/plain/k", "/items/b", "/down/uid", "/all/new"):
        assert "Read-only file system" in space.sh("p", f"touch {path} 2>&1 || true")


def test_volumes_are_mounted_in_volumes_that_are_read_only(space: Space) -> None:
    volumes = {
        "s": {"secret": {"secretName": "s"}},
        "cm": {"configMap": {"name": "cm"}},
        "cache": {"emptyDir": {}},
        "down": {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    }
    mounts = [at("s", "/app"), at("cache", "/app/var/cache"), at("cm", "/app/var/cache/cm"), at("down", "/app/down")]
    space.create(secret("s", {"k": "1"}), config_map("cm", {"k": "2"}))
    space.create(pod("p", spec=body(volumes), volumeMounts=mounts))
    space.wait("p")
    read = "cat /app/k /app/var/cache/cm/k /app/down/n; touch /app/var/cache/x"
    assert space.sh("p", read) == "12p"
    space.kubectl("patch", "secret", "s", "-p", json.dumps({"stringData": {"k": "3"}}))
    space.kubectl("annotate", "pod", "p", "hurry=1")
    until(lambda: space.sh("p", read) == "32p", seconds=20)


def test_a_volume_that_lacks_its_source_waits_for_it(space: Space) -> None:
    volumes: dict[str, Any] = {
        "key": {"configMap": {"name": "cm", "items": [{"key": "k", "path": "k"}]}},
        "secret": {"secret": {"secretName": "s"}},
        "both": {"projected": {"sources": [{"secret": {"name": "t", "items": [{"key": "x", "path": "x"}]}}]}},
    }
    space.create(config_map("cm", {"other": "1"}), secret("t", {"y": "1"}))
    space.create(*(pod(name, spec=body({"v": source}), volumeMounts=[at("v")]) for name, source in volumes.items()))
    words = {
        "key": "configmap references non-existent config key: k",
        "secret": 'secret "s" not found',
        "both": "references non-existent secret key: x",
    }
    prefix = 'MountVolume.SetUp failed for volume "v" : '
    for name, text in words.items():
        until(lambda name=name, text=text: prefix + text in space.events(name, "FailedMount"))  # type: ignore[misc]
    space.create(secret("s", {"y": "1"}))
    space.kubectl("patch", "configmap", "cm", "-p", '{"data":{"k":"v"}}')
    space.wait("key")
    space.wait("secret")
    assert space.sh("key", "cat /v/k") + space.sh("secret", "cat /v/y") == "v1"


def test_changes_come_into_a_running_pod_at_once_all_or_nothing(space: Space) -> None:
    """Within a minute by themselves; at once after a change of the pod's labels or annotations."""
    volumes = {
        "cm": {"configMap": {"name": "cm"}},
        "late": {"configMap": {"name": "late", "optional": True}},
        "fixed": {"configMap": {"name": "fixed"}},
        "all": {"projected": {"sources": [{"secret": {"name": "s"}}]}},
        "down": {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.annotations['a']"}}]}},
    }
    mounts = [*(at(name) for name in volumes), at("cm", "/one", subPath="x")]
    space.create(config_map("cm", {"x": "1", "y": "1"}), config_map("fixed", {"k": "1"}, immutable=True))
    space.create(secret("s", {"k": "1"}), pod("p", spec=body(volumes), volumeMounts=mounts))
    space.wait("p")
    read = "cat /cm/x /cm/y /all/k /late/k /down/a /one 2>/dev/null; echo; ls /cm /late"
    assert space.sh("p", read).split() == ["1111", "/cm:", "x", "y", "/late:"]
    watcher = "while sleep 0.01; do (cd /cm/..data/ && cat x y | tr -d '\\n'; echo); done >/tmp/seen 2>&1 </dev/null &"
    space.sh("p", watcher)

    patch = json.dumps({"data": {"x": "2", "y": "2"}})
    space.kubectl("patch", "configmap", "cm", "-p", patch)
    space.create(config_map("late", {"k": "2"}))
    space.kubectl("patch", "secret", "s", "-p", json.dumps({"stringData": {"k": "2"}}))
    space.kubectl("annotate", "pod", "p", "a=2")
    until(lambda: space.sh("p", read).split() == ["222221", "/cm:", "x", "y", "/late:", "k"], seconds=20)
    assert space.sh("p", "sort -u /tmp/seen").split() == ["11", "22"]
    refused = space.run("patch", "configmap", "fixed", "-p", '{"data":{"k":"2"}}')
    assert "field is immutable when `immutable` is set" in refused.stderr

    # Nothing hurries it now; and a key that goes is gone.
    space.kubectl("patch", "configmap", "cm", "-p", '{"data":{"x":"3","y":null}}')
    space.kubectl("delete", "configmap", "late")
    until(lambda: space.sh("p", read).split() == ["3221", "/cm:", "x", "/late:"], seconds=ATTACHED_SECONDS)
    space.kubectl("delete", "secret", "s")
    space.kubectl("label", "pod", "p", "b=1")
    said = 'MountVolume.SetUp failed for volume "all" : secret "s" not found'
    until(lambda: said in space.events("p", "FailedMount"))
    assert space.sh("p", "cat /all/k") == "2"


def test_fifty_volumes_in_a_pod(space: Space) -> None:
    names = [f"cm-{number}" for number in range(50)]
    space.create(*(config_map(name, {"k": f"{name}\n"}) for name in names))
    volumes = {name: {"configMap": {"name": name}} for name in names}
    space.create(pod("p", spec=body(volumes), volumeMounts=[at(name) for name in names]))
    space.wait("p")
    assert space.sh("p", "cat /cm-*/k").split() == sorted(names)


def test_tokens_are_for_their_audience_and_their_readers(space: Space) -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]
    volumes = {"t": {"projected": {"sources": sources}}}
    contexts = {
        "anybody": ({}, "644 0 0"),
        "user": ({"runAsUser": 1001}, "600 1001 0"),
        "group": ({"fsGroup": 2002}, "640 0 2002"),
        "both": ({"runAsUser": 1001, "fsGroup": 2002}, "640 1001 2002"),
    }
    for name, (context, _) in contexts.items():
        space.create(pod(name, spec=body(volumes, securityContext=context), volumeMounts=[at("t")]))
    for name, (_, owner) in contexts.items():
        space.wait(name)
        assert modes(space, name, "/t/token") == [owner], name
        assert space.sh(name, "wc -l </t/ca.crt") != "0"
    claims = space.sh("both", "cat /t/token").split(".")[1]
    token = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert token["aud"] == ["vault"]
    assert token["exp"] - token["iat"] == 600
    assert token["kubernetes.io"]["pod"]["name"] == "both"
    assert modes(space, "user", "/var/run/secrets/kubernetes.io/serviceaccount/token") == ["600 1001 0"]


def test_a_sub_path_is_a_part_of_a_volume(space: Space) -> None:
    env = [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['n']"}}}]
    volumes = {"v": {"emptyDir": {}}, "cm": {"configMap": {"name": "cm"}}, "tree": {"secret": {"secretName": "s"}}}
    volumes["tree"]["secret"]["items"] = [{"key": "a", "path": "x/y/a"}]
    mounts = [
        at("v", "/made", subPath="made/here"),
        at("v", "/named", subPathExpr="logs/$(NAME)"),
        at("v", "/whole"),
        at("cm", "/etc/resolv.conf", subPath="resolv"),
        at("cm", "/etc/hosts", subPath="hosts"),
        at("tree", "/tree", subPath="x/y"),
    ]
    space.create(config_map("cm", {"resolv": "nameserver 10.9.8.7\n", "hosts": "1.2.3.4 five\n"}))
    space.create(secret("s", {"a": "1"}))
    wanted = pod("p", spec=body(volumes), volumeMounts=mounts, env=env)
    wanted["metadata"]["annotations"] = {"n": "/absolute"}
    space.create(wanted)
    said = "error SubPath `logs//absolute` must not be an absolute path"
    # Inside a folder an absolute result is none: the path stays below it.
    space.wait("p")
    assert said not in space.events("p")
    assert space.sh(
        "p", "ls -d /whole/logs/absolute /whole/made/here; cat /etc/resolv.conf /etc/hosts /tree/a"
    ).split() == [*("/whole/logs/absolute", "/whole/made/here", "nameserver", "10.9.8.7", "1.2.3.4", "five", "1")]
    assert modes(space, "p", "/made", "/named") == ["777 0 0", "777 0 0"]
    assert "Read-only file system" in space.sh("p", "(echo x >/etc/hosts) 2>&1 || true")


def test_a_sub_path_that_leads_out_is_refused_until_it_is_right(space: Space) -> None:
    env = [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['n']"}}}]
    texts = {
        "absolute": ("/tmp", "error SubPath `/tmp` must not be an absolute path"),
        "back": ("..", "unable to provision SubPath `..`: must not contain '..'"),
        "missing": ("", "missing value for NAME"),
        "link": ("out", 'failed to prepare subPath for volumeMount "v" of container "c"'),
    }
    init = pod("i", "ln -s / /whole/out")["spec"]["containers"][0] | {"name": "i", "volumeMounts": [at("v", "/whole")]}
    for name, (value, _) in texts.items():
        spec = body({"v": {"emptyDir": {}}}, initContainers=[init])
        wanted = pod(name, spec=spec, env=env, volumeMounts=[at("v", subPathExpr="$(NAME)")])
        wanted["metadata"]["annotations"] = {"n": value}
        space.create(wanted)
    for name, (_, text) in texts.items():

        def waits(name: str = name, text: str = text) -> bool:
            waiting = space.container(name)["state"].get("waiting", {})
            return (waiting.get("reason"), waiting.get("message")) == ("CreateContainerConfigError", text)

        until(waits, name)
    space.kubectl("annotate", "--overwrite", "pod", "absolute", "n=right")
    space.wait("absolute")
    assert space.sh("absolute", "ls -ld /v | cut -c1-10") == "drwxrwxrwx"


def test_the_group_of_a_pod_owns_its_volumes_but_not_those_of_the_node(space: Space, folder: Path) -> None:
    (folder / "file").write_text("x")
    context = {"fsGroup": 4242, "supplementalGroups": [5151], "runAsUser": 1000, "runAsGroup": 3000}
    volumes = {
        "disk": {"emptyDir": {}},
        "memory": {"emptyDir": {"medium": "Memory"}},
        "cm": {"configMap": {"name": "cm", "defaultMode": 0o400}},
        "secret": {"secret": {"secretName": "s", "defaultMode": 0o400}},
        "host": {"hostPath": {"path": str(folder)}},
    }
    space.create(config_map("cm", {"k": "v"}), secret("s", {"k": "v"}))
    space.create(pod("p", spec=body(volumes, securityContext=context), volumeMounts=[at(name) for name in volumes]))
    space.wait("p")
    assert space.sh("p", "id -u; id -g; id -G").split("\n") == ["1000", "3000", "3000 4242 5151"]
    assert modes(space, "p", "/disk", "/memory", "/secret", "/cm/k", "/secret/k", "/host/file") == [
        *("2777 0 4242", "3777 0 4242", "3777 0 4242", "440 0 4242", "440 0 4242", "644 0 0")
    ]
    assert space.sh(
        "p", "touch /disk/f /memory/f; mkdir /disk/d; cat /cm/k; stat -c ' %g' /disk/f /memory/f /disk/d"
    ) == ("v 4242\n 4242\n 4242")


def test_what_this_node_cannot_mount_is_said(space: Space) -> None:
    kinds: dict[str, Any] = {
        "nfs": {"server": "10.0.0.1", "path": "/"},
        "csi": {"driver": "example.com"},
        "iscsi": {"targetPortal": "10.0.0.1", "iqn": "iqn.2026-01.com.example:x", "lun": 0},
    }
    space.create(
        *(pod(kind, spec=body({"v": {kind: source}}), volumeMounts=[at("v")]) for kind, source in kinds.items())
    )
    for kind in kinds:
        said = f'MountVolume.SetUp failed for volume "v" : this node has no volumes of the kind {kind}'
        until(lambda kind=kind, said=said: said in space.events(kind, "FailedMount"))  # type: ignore[misc]
        assert space.container(kind)["state"]["waiting"]["reason"] == "ContainerCreating"


@contextmanager
def tmpfs(path: Path, *options: str) -> Iterator[Path]:
    """Mounted by the node, as an administrator would."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
    try:
        for option in options:
            subprocess.run(["mount", option, path], check=True)
        yield path
    finally:
        subprocess.run(["umount", "-R", path], check=True)


def test_mounts_of_the_node_are_seen_where_the_propagation_says(space: Space, folder: Path) -> None:
    """Bidirectional is for privileged containers, which not every machine can run."""
    with tmpfs(folder / "tree", "--make-shared") as tree:
        first = pod("p")["spec"]["containers"][0] | {"volumeMounts": [at("v", mountPropagation="HostToContainer")]}
        second = first | {"name": "d", "volumeMounts": [at("v")]}
        volumes = {"v": {"hostPath": {"path": str(tree)}}}
        space.create(pod("p", spec=body(volumes, first, second)))
        space.wait("p")
        with tmpfs(tree / "late") as late:
            (late / "file").touch()
            assert [space.sh("p", "ls /v/late", name) for name in ("c", "d")] == ["file", ""]
        assert space.sh("p", "ls /v/late") == ""
        space.kubectl("delete", "pod", "p")
    both = pod("q", spec=body({"v": {"emptyDir": {}}}), volumeMounts=[at("v", mountPropagation="Bidirectional")])
    refused = space.run("create", "-f", "-", stdin=json.dumps(both).encode())
    assert "Bidirectional mount propagation is available only to privileged containers" in refused.stderr


def test_a_read_only_mount_is_read_only_all_the_way_down_if_asked_and_possible(space: Space, folder: Path) -> None:
    with tmpfs(folder / "below"):
        volumes = {"v": {"hostPath": {"path": str(folder)}}}
        recursive = at("v", "/deep", readOnly=True, recursiveReadOnly="Enabled")
        space.create(pod("plain", spec=body(volumes), volumeMounts=[at("v", "/plain", readOnly=True)]))
        space.create(pod("deep", spec=body(volumes), volumeMounts=[recursive]))
        space.wait("plain")
        script = "for path in v/x v/below/x; do touch /{}/${{path#v/}} 2>/dev/null && echo $path; done; true"
        assert space.sh("plain", script.format("plain")) == "v/below/x"
        if int(space.cluster.docker("version", "--format", "{{.Server.Version}}").split(".")[0]) >= 25:
            space.wait("deep")
            assert space.sh("deep", script.format("deep")) == ""
        else:
            said = "recursive read-only mounts need a Docker engine of version 25.0 or later"
            until(lambda: space.container("deep")["state"].get("waiting", {}).get("message") == said)
        space.kubectl("delete", "pod", "plain", "deep")


def test_what_is_mounted_in_a_volume_is_no_part_of_it(space: Space, folder: Path) -> None:
    """It is unmounted when the pod goes, and its files are not removed."""
    (folder / "precious").write_text("x")
    space.create(pod("p", spec=body({"v": {"emptyDir": {}}}), volumeMounts=[at("v")]))
    space.wait("p")
    inside = space.cluster.node_folder / "pods" / space.pod("p")["metadata"]["uid"] / "volumes/v/in"
    inside.mkdir()
    subprocess.run(["mount", "--bind", folder, inside], check=True)
    space.kubectl("delete", "pod", "p")
    until(lambda: not inside.exists(), "the pod's files are gone")
    assert (folder / "precious").read_text() == "x"
