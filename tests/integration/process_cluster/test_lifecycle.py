"""Pods on plain processes through kubectl, as root, as a user without rights, and where there are no namespaces."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import rotated_logs
from tests.e2e.docker_cluster.cluster import Space
from tests.integration.process_cluster.cluster import NOBODY, ProcessCluster
from tests.integration.process_cluster.conftest import namespace, running
from tests.kactl_cluster import until

WEB = """
import http.server, os
http.server.ThreadingHTTPServer((os.environ["POD_IP"], 8080), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


@pytest.fixture(scope="module", params=["root", "nobody"])
def cluster(request: pytest.FixtureRequest) -> Iterator[ProcessCluster]:
    """`nobody` has a namespace of users, where the machine has them."""
    if os.geteuid() != 0:
        pytest.skip("becomes another user, which only root can")
    uid = NOBODY if request.param == "nobody" else None
    with running(ProcessCluster("workers: {containerLogMaxSize: 20Ki}", name=request.param, uid=uid)) as cluster:
        yield cluster


@pytest.fixture
def space(cluster: ProcessCluster) -> Iterator[Space]:
    with namespace(cluster) as space:
        yield space


def container(script: str, **fields: Any) -> Any:
    return {"name": "c", "image": "host", "command": ["sh", "-c", script]} | fields


def pod(name: str, *containers: Any, labels: Any = None, **spec: Any) -> Any:
    metadata = {"name": name, "labels": labels or {}}
    base = {"terminationGracePeriodSeconds": 1, "containers": list(containers)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": base | spec}


SLEEP = "exec sleep 1000"


def test_init_containers_sidecars_and_a_debugger(space: Space) -> None:
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/shared/here"}]}
    first = container("echo first > /shared/here/log", name="first") | mounts
    side = container("echo side >> /shared/here/log; " + SLEEP, name="side", restartPolicy="Always") | mounts
    last = container("echo last >> /shared/here/log", name="last") | mounts
    main = container("cat /shared/here/log; " + SLEEP) | mounts
    space.create(pod("p", main, initContainers=[first, side, last], volumes=[{"name": "v", "emptyDir": {}}]))
    space.wait("p")
    assert space.kubectl("logs", "p", "-c", "c").split() == ["first", "side", "last"]
    space.kubectl(
        "debug", "p", "--image=host", "-c", "dbg", "--profile=general", "--", "sh", "-c", "echo seen; sleep 1000"
    )
    until(lambda: "running" in space.container("p", "dbg").get("state", {}))
    until(lambda: space.kubectl("logs", "p", "-c", "dbg") == "seen\n")


def test_probes_of_all_kinds_and_hooks(space: Space) -> None:
    tcp = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 100}
    http = {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1}
    command = {"exec": {"command": ["test", "-e", "/state/ok"]}, "periodSeconds": 1, "failureThreshold": 1}
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "touch /state/ok"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopping > /proc/1/fd/1 || true; sleep 1"]}},
    }
    web = {
        "name": "c", "image": "host", "command": ["python3", "-c", WEB], "env": [POD_IP], "lifecycle": hooks,
        "ports": [{"containerPort": 8080, "name": "web"}],
        "startupProbe": tcp, "readinessProbe": http, "livenessProbe": command,
        "volumeMounts": [{"name": "v", "mountPath": "/state"}],
    }  # fmt: skip
    space.create(pod("p", web, volumes=[{"name": "v", "emptyDir": {}}], terminationGracePeriodSeconds=5))
    space.wait("p")
    assert space.container("p")["restartCount"] == 0
    space.sh("p", "rm /state/ok")
    until(lambda: space.container("p")["restartCount"] == 1, "the liveness probe restarts it")
    assert any("Liveness probe failed" in each for each in space.events("p", "Unhealthy"))
    space.wait("p")


def test_restart_policies_and_last_words(space: Space) -> None:
    once = container("echo -n bye > /dev/termination-log; exit 3")
    space.create(
        pod("never", once, restartPolicy="Never"),
        pod("onfail", container("exit 0"), restartPolicy="OnFailure"),
        pod("always", container("echo run; exit 1")),
        pod("host", container(SLEEP), hostNetwork=True),
        pod(
            "logs",
            container("echo why; exit 1", terminationMessagePolicy="FallbackToLogsOnError"),
            restartPolicy="Never",
        ),
        pod("late", container(SLEEP), activeDeadlineSeconds=2),
    )
    ended = space.phase("never", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["message"], ended["reason"]) == (3, "bye", "Error")
    space.phase("onfail", "Succeeded")
    until(lambda: space.container("always")["restartCount"] >= 1)
    until(lambda: space.container("always")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
    assert space.kubectl("logs", "always", "--previous") == "run\n"
    space.wait("host")
    status = space.pod("host")["status"]
    assert status["podIP"] == status["hostIP"]
    assert space.sh("host", "hostname") == "node-1"
    space.phase("logs", "Failed")
    assert space.container("logs")["state"]["terminated"]["message"] == "why\n"
    assert space.phase("late", "Failed")["status"]["reason"] == "DeadlineExceeded"


def test_environment_and_volumes_of_all_kinds(space: Space, open_folder: Path) -> None:
    (open_folder / "host").write_text("of the host")
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"key": "from the map"}}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"pw": base64.b64encode(b"hush").decode()},
    }
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }  # fmt: skip
    down = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}
    volumes = [
        {"name": "cm", "configMap": {"name": "cm"}},
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o440}},
        {"name": "down", "downwardAPI": {"items": down}},
        {"name": "all", "projected": {"sources": [token, {"configMap": {"name": "cm"}}]}},
        {"name": "host", "hostPath": {"path": str(open_folder), "type": "Directory"}},
        {"name": "mem", "emptyDir": {"medium": "Memory"}},
        {"name": "pvc", "persistentVolumeClaim": {"claimName": "data"}},
    ]
    mounts = [{"name": each["name"], "mountPath": f"/mnt/deep/{each['name']}"} for each in volumes]
    mounts.append({"name": "cm", "mountPath": "/etc/only.conf", "subPath": "key"})
    mounts[4]["readOnly"] = True
    env = [
        {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "BOTH", "value": "$(PW)-$(NODE)"},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ]
    main = container(SLEEP, env=env, envFrom=[{"prefix": "CM_", "configMapRef": {"name": "cm"}}], volumeMounts=mounts)
    space.create(config, secret, claim, pod("p", main, labels={"a": "b"}, volumes=volumes, hostname="given"))
    space.wait("p")
    assert space.sh("p", "cat /mnt/deep/cm/key /etc/only.conf") == "from the mapfrom the map"
    assert space.sh("p", "cat /mnt/deep/s/pw; stat -Lc %a /mnt/deep/s/pw") == "hush440"
    assert space.sh("p", "cat /mnt/deep/down/labels") == 'a="b"'
    assert space.sh("p", "cut -d. -f1 /mnt/deep/all/token | wc -c") != "1"
    kinds = space.sh("p", "cd /mnt/deep; stat -fc '%n %T' cm s down all mem").splitlines()
    in_memory = {line.split()[0] for line in kinds if line.endswith(" tmpfs")}
    may_mount = space.sh("p", "id -u") == "0"
    assert in_memory == ({"s", "down", "all", "mem"} if may_mount else set())
    told = space.cluster.log.read_text().count("secrets and volumes in memory are on the disk")
    assert told == (0 if may_mount else 1)
    assert space.sh("p", "cat /mnt/deep/host/host; touch /mnt/deep/host/x 2>/dev/null || echo ro").endswith("ro")
    assert space.sh("p", "echo kept > /mnt/deep/pvc/f; echo x > /mnt/deep/mem/f; cat /mnt/deep/pvc/f") == "kept"
    assert space.sh("p", "echo $BOTH $CM_key; hostname; echo $HOSTNAME") == "hush-node-1 from the map\ngiven\ngiven"
    assert space.sh("p", "grep -c 'Kubernetes-managed hosts file' /etc/hosts; ls /etc/passwd") == "1\n/etc/passwd"
    space.kubectl("patch", "configmap", "cm", "-p", json.dumps({"data": {"key": "changed"}}))
    until(lambda: space.sh("p", "cat /mnt/deep/cm/key") == "changed", seconds=90)
    assert not Path("/mnt/deep").exists()
    assert not Path("/etc/only.conf").exists()


def test_streams(space: Space, tmp_path: Path) -> None:
    space.create(
        pod("p", container("i=0; while :; do echo line $i; i=$((i+1)); sleep 0.2; done")),
        pod("in", container("while read x; do echo got $x; done", stdin=True)),
        pod(
            "web",
            {"name": "c", "image": "host", "command": ["python3", "-c", WEB], "env": [POD_IP], "workingDir": "/usr"},
        ),
    )
    for name in ("p", "in", "web"):
        space.wait(name)
    until(lambda: len(space.kubectl("logs", "p").splitlines()) > 3)
    assert space.kubectl("logs", "p", "--tail=1", "--timestamps").count("Z line") == 1
    assert space.kubectl("logs", "p", "--limit-bytes=4") == "line"
    until(lambda: "line 0\n" not in space.kubectl("logs", "p", "--since=1s"))
    with space.cluster.popen("kubectl", "-n", space.name, "logs", "-f", "p", "--tail=0") as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline().startswith(b"line ")
    assert space.run("exec", "p", "--", "sh", "-c", "echo out; echo err >&2; exit 7").returncode == 7
    assert space.kubectl("exec", "-i", "p", "--", "cat", stdin=b"through") == "through"
    assert "got hello" in space.kubectl("attach", "-i", "in", stdin=b"hello\n")
    (tmp_path / "f").write_text("copied")
    space.kubectl("cp", str(tmp_path / "f"), f"{space.name}/p:/tmp/ka-copied-{space.name}")
    assert space.sh("p", f"cat /tmp/ka-copied-{space.name}; rm /tmp/ka-copied-{space.name}") == "copied"
    with space.cluster.popen("kubectl", "-n", space.name, "port-forward", "pod/web", ":8080") as forward:
        assert forward.stdout is not None
        port = int(forward.stdout.readline().split(b":")[1].split()[0])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"200 OK" in connection.recv(100)


def test_logs_are_read_over_their_rotation(space: Space) -> None:
    space.create(pod("p", container(rotated_logs.script(3000, 9, 50), **rotated_logs.MEMORY), **rotated_logs.VOLUMES))
    rotated_logs.read_in_every_way(space, "p", lines=3000, tail=800)


def test_two_pods_listen_on_one_port_each_at_its_address(space: Space) -> None:
    web = {"name": "c", "image": "host", "command": ["python3", "-c", WEB], "env": [POD_IP], "workingDir": "/usr"}
    probe = {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
    space.create(pod("one", web | probe), pod("two", web | probe))
    addresses = set()
    for name in ("one", "two"):
        space.wait(name)
        addresses.add(space.pod(name)["status"]["podIP"])
    assert len(addresses) == 2
    for each in addresses:
        socket.create_connection((each, 8080), timeout=10).close()


def test_host_ports_lead_to_the_pod_and_are_refused_where_taken(space: Space) -> None:
    with socket.socket() as taken, socket.socket() as probe:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        probe.bind(("127.0.0.1", 0))
        free, used = probe.getsockname()[1], taken.getsockname()[1]
        probe.close()
        web = {"name": "c", "image": "host", "command": ["python3", "-c", WEB], "env": [POD_IP], "workingDir": "/usr"}
        web["readinessProbe"] = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
        for name, port in (("open", free), ("refused", used)):
            ports = [{"containerPort": 8080, "hostPort": port, "hostIP": "127.0.0.1"}]
            space.create(pod(name, web | {"ports": ports}))
        space.wait("open")
        with socket.create_connection(("127.0.0.1", free), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"200 OK" in connection.recv(100)
        text = f"host port 127.0.0.1:{used} cannot be had"
        until(lambda: any(text in each for each in space.events("refused", "FailedCreatePodSandBox")))
    space.wait("refused")


def test_users_and_limits(cluster: ProcessCluster, space: Space) -> None:
    limits = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
    who = {"runAsUser": 1234, "runAsGroup": 2345, "allowPrivilegeEscalation": False}
    main = container(SLEEP, securityContext=who, resources=limits)
    space.create(pod("p", main, securityContext={"supplementalGroups": [77]}))
    space.wait("p")
    if cluster.name == "nobody":
        assert space.sh("p", "id -u") == str(NOBODY)
        return
    assert space.sh("p", "id -u; id -g; id -G") == "1234\n2345\n2345 77"
    assert "NoNewPrivs:\t1" in space.sh("p", "cat /proc/self/status")
    groups = space.sh("p", "cat /proc/self/cgroup").splitlines()
    for line in groups:
        _, controllers, path = line.split(":")
        root = Path("/sys/fs/cgroup")
        if controllers == "memory":
            assert (root / "memory" / path[1:] / "memory.limit_in_bytes").read_text().strip() == str(64 << 20)
        elif controllers.split(",")[0] == "cpu" or controllers == "cpu,cpuacct":
            assert (root / "cpu" / path[1:] / "cpu.cfs_quota_us").read_text().strip() == "20000"
    hog = container("exec python3 -c 'x=bytearray(300<<20); print(len(x))'", resources=limits)
    space.create(pod("hog", hog, restartPolicy="Never"))
    if any(line.split(":")[1] == "memory" and "kube-actors" in line for line in groups):
        space.phase("hog", "Failed")
        assert space.container("hog")["state"]["terminated"]["reason"] == "OOMKilled"


def test_a_read_only_root_has_writable_volumes(space: Space) -> None:
    """On the machine's own files, where a write would be worst."""
    mounts = [{"name": "v", "mountPath": "/vol"}]
    main = container(SLEEP, securityContext={"readOnlyRootFilesystem": True}, volumeMounts=mounts)
    space.create(pod("p", main, volumes=[{"name": "v", "emptyDir": {}}]))
    space.wait("p")
    refused = space.run(
        "exec", "p", "--", "touch", f"/tmp/{space.name}", f"/dev/shm/{space.name}", "/vol/f", "/dev/null"
    )
    assert refused.stderr.splitlines()[0].endswith("Read-only file system")
    assert space.sh("p", f"ls /vol /dev/shm/{space.name}; rm /dev/shm/{space.name}").split()[-1] == "f"
    assert space.events("p", "LessConfined") == []


def test_a_root_of_its_own_from_a_tar(cluster: ProcessCluster, space: Space, tmp_path: Path) -> None:
    pytest.importorskip("tarfile")
    import tarfile

    busybox = Path("/bin/busybox")
    if not busybox.exists():
        pytest.skip("no static busybox here")
    image = cluster.folder / "root.tar"
    with tarfile.open(image, "w") as archive:
        archive.add(busybox, "bin/busybox")
        for name in ("sh", "cat", "ls", "sleep", "id", "touch", "hostname"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    image.chmod(0o644)
    main = container(
        "echo data > /written; exec sleep 1000", image=str(image), volumeMounts=[{"name": "v", "mountPath": "/vol"}]
    )
    space.create(pod("p", main, volumes=[{"name": "v", "emptyDir": {}}]))
    space.wait("p")
    assert space.sh("p", "ls /; cat /written").split() == [
        "bin", "dev", "etc", "proc", "sys", "var", "vol", "written", "data",
    ]  # fmt: skip
    assert space.sh("p", "hostname") == "p"


def test_what_is_not_here_is_told(space: Space) -> None:
    web = container(SLEEP, image="registry.example.com/web:1", securityContext={"readOnlyRootFilesystem": True})
    space.create(
        pod("ignored", web, securityContext={"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "0"}]}),
        pod("nothing", {"name": "c", "image": "web:1"}),
        pod("missing", container(SLEEP, image="/no/such.tar")),
        pod("absent", {"name": "c", "image": "host", "command": ["/no/such/program"]}, restartPolicy="Never"),
    )
    space.wait("ignored")
    until(lambda: any("is ignored" in each for each in space.events("ignored", "ImageIgnored")))
    assert any("net.ipv4.tcp_syncookies not set" in each for each in space.events("ignored", "SysctlsIgnored"))
    until(lambda: space.container("nothing")["state"].get("waiting", {}).get("reason") == "CreateContainerError")
    assert "has no command" in space.container("nothing")["state"]["waiting"]["message"]
    reasons = ("ErrImagePull", "ImagePullBackOff")
    until(lambda: space.container("missing")["state"].get("waiting", {}).get("reason") in reasons)
    space.phase("absent", "Failed")
    assert "no such file" in space.container("absent")["state"]["terminated"]["message"]
