"""The agent, the engine, a container, the machine are killed under pods: they heal as Kubernetes heals them."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from kube_actors.aio.clock import SystemClock, parse_rfc3339
from tests.e2e.docker_cluster.cluster import DockerCluster, Space, cluster_in_a_lab, pod
from tests.e2e.docker_cluster.volumes import at, body, config_map, secret
from tests.e2e.lab import DockerLab, why_not
from tests.kactl_cluster import until

pytestmark = pytest.mark.timeout(300)

FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
PROBE = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 5}
# Seconds without API server: longer than the controllers bear a node's silence (50 s).
AWAY = 65.0
# A registry that takes connections and says nothing.
SILENT = "import socket, time; server = socket.create_server(('127.0.0.1', 5000)); time.sleep(600)"
READY = "jsonpath={.items[0].status.conditions[?(@.type=='Ready')]}"


@pytest.fixture(scope="module")
def own() -> Iterator[DockerCluster]:
    """A cluster that may be killed, with its engine."""
    with cluster_in_a_lab() as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def pods(own: DockerCluster) -> Iterator[Space]:
    """The default namespace, empty before and after."""
    space = Space(own, "default")
    yield space
    space.kubectl("delete", "pods,services,deployments", "--all", "--timeout=90s", seconds=120)
    until(lambda: not own.leaks(), f"nothing is left: {own.leaks()}", seconds=30)


def exists(space: Space, name: str) -> bool:
    return bool(space.kubectl("get", "pod", name, "--ignore-not-found", "-o", "name"))


def docker_id(space: Space, name: str, container: str = "c") -> str:
    return str(space.container(name, container).get("containerID", "")).removeprefix("docker://")


def sandboxes(cluster: DockerCluster, name: str) -> list[str]:
    return cluster.docker("ps", "-q", "--no-trunc", "--filter", f"name=k8s_POD_{name}_").split()


def processes(cluster: DockerCluster) -> dict[str, str]:
    """The main process of every container that runs."""
    ids = cluster.docker("ps", "-q", "--no-trunc").split()
    # One that goes meanwhile is left out.
    found = cluster.lab.docker("inspect", "-f", "{{.Id}} {{.State.Pid}}", *ids, check=False).stdout
    return dict(line.split() for line in found.splitlines())


def running_again(space: Space, name: str, restarts: int, container: str = "c") -> Any:
    """The container's status, once it is ready after so many restarts."""

    def look() -> Any:
        status = space.container(name, container)
        return status["ready"] and status["restartCount"] == restarts and status

    return until(look, f"{name} runs again")


def test_a_killed_agent_adopts_what_runs_and_writes_nothing(own: DockerCluster, pods: Space) -> None:
    volumes = {"s": {"secret": {"secretName": "s"}}, "memory": {"emptyDir": {"medium": "Memory"}}}
    calm = {"readinessProbe": PROBE, "livenessProbe": PROBE, "volumeMounts": [at("s"), at("memory")]}
    pods.create(
        secret("s", {"k": "1"}),
        pod("calm", FOREVER, spec=body(volumes), **calm),
        pod("deleted", FOREVER),
        pod("failing", "while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 7", spec={"restartPolicy": "OnFailure"}),
        pod("once", "while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 0", spec={"restartPolicy": "Never"}),
    )
    for name in ("calm", "deleted", "failing", "once"):
        pods.wait(name)
    doomed = docker_id(pods, "deleted")
    pods.sh("calm", "echo kept >/memory/file")
    before, ran, mounts = pods.pod("calm"), processes(own), mounts_of(own, pods, "calm")
    own.kill()
    for name in ("failing", "once"):
        own.docker(
            "exec", sorted(own.docker("ps", "-q", "--filter", f"name=k8s_c_{name}_").split())[0], "touch", "/tmp/end"
        )
    assert docker_id_lives(own, doomed)
    own.start()
    pods.kubectl("delete", "pod", "deleted", "--timeout=60s")
    assert running_again(pods, "failing", 1)["lastState"]["terminated"]["exitCode"] == 7
    assert pods.phase("once", "Succeeded")["status"]["containerStatuses"][0]["restartCount"] == 0
    assert not docker_id_lives(own, doomed)
    assert pods.sh("calm", "cat /memory/file /s/k") == "kept\n1"
    assert pods.pod("calm") == before
    assert mounts_of(own, pods, "calm") == mounts
    assert len(mounts) == 3, "its secret, its memory, its token; each once"
    assert {id: pid for id, pid in processes(own).items() if id == docker_id(pods, "calm")}.items() <= ran.items()
    pods.kubectl("patch", "secret", "s", "-p", '{"stringData":{"k":"2"}}')
    pods.kubectl("annotate", "pod", "calm", "hurry=1")
    until(lambda: pods.sh("calm", "cat /s/k") == "2", "the next agent writes where the first has mounted", seconds=20)
    pods.kubectl("delete", "secret", "s")


def mounts_of(cluster: DockerCluster, space: Space, name: str) -> list[str]:
    return [each for each in cluster.mounts() if space.pod(name)["metadata"]["uid"] in each]


def docker_id_lives(cluster: DockerCluster, id: str) -> bool:
    return id in processes(cluster)


def test_a_kill_in_the_middle_of_things_is_made_good(own: DockerCluster, pods: Space) -> None:
    """In a hook before the stop, in one after the start, in a volume's set-up, a pull, a creation."""
    stop = {"preStop": {"exec": {"command": ["sh", "-c", "sleep 2"]}}}
    begin = {"postStart": {"exec": {"command": ["sleep", "60"]}}}
    volume = body({"v": {"configMap": {"name": "late"}}, "s": {"secret": {"secretName": "late"}}})
    volume["terminationGracePeriodSeconds"] = 0
    pods.create(pod("ending", FOREVER, lifecycle=stop, spec={"terminationGracePeriodSeconds": 20}))
    pods.wait("ending")
    pods.create(
        pod("beginning", FOREVER, lifecycle=begin),
        pod("waiting", FOREVER, spec=volume, volumeMounts=[at("v"), at("s")]),
    )
    until(lambda: own.docker("ps", "-q", "--filter", "name=k8s_c_beginning_"), "its hook runs")
    until(lambda: pods.events("waiting", "FailedMount"), "its volume is missing")
    with own.lab.popen(sys.executable, "-c", SILENT):
        pods.create(pod("pulling", FOREVER, image="127.0.0.1:5000/image:1"))
        until(lambda: pods.events("pulling", "Pulling"), "it is being pulled")
        pods.kubectl("delete", "pod", "ending", "--wait=false")
        until(lambda: pods.events("ending", "Killing"), "its hook runs")
        pods.create(pod("created", FOREVER))
        uid = pods.pod("waiting")["metadata"]["uid"]
        own.kill()
        # As if it had died between the mount and the files.
        half = own.node_folder / "pods" / uid / "volumes/s"
        half.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "tmpfs", str(half))
        own.start()
        pods.create(config_map("late", {"a": "1"}), secret("late", {"a": "2"}))
        for name in ("created", "waiting", "beginning"):
            pods.wait(name)
            assert pods.container(name)["restartCount"] == 0
            assert len(sandboxes(own, name)) == 1
        assert pods.sh("waiting", "cat /v/a /s/a") == "12"
        assert own.mounts().count(str(half)) == 1
        until(lambda: not exists(pods, "ending"), "it has ended")
        assert pods.container("pulling")["state"]["waiting"]["reason"] == "ContainerCreating"

    def told() -> bool:
        return pods.container("pulling")["state"]["waiting"]["reason"] in ("ErrImagePull", "ImagePullBackOff")

    until(told, "it is told that the pull failed")
    pods.kubectl("delete", "configmap/late", "secret/late")


def test_a_cluster_that_is_stopped_leaves_nothing_that_runs_and_has_its_pods_again(
    own: DockerCluster, pods: Space
) -> None:
    mounts = [{"name": "disk", "mountPath": "/disk"}, {"name": "memory", "mountPath": "/memory"}]
    volumes = [{"name": "disk", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}}]
    script = f"date >> /disk/runs; date >> /memory/runs; {FOREVER}"
    spec = {"volumes": volumes, "terminationGracePeriodSeconds": 1}
    pods.create(pod("web", script, spec=spec, volumeMounts=mounts))
    pods.wait("web")
    own.stop()
    assert own.docker("ps", "-aq") == ""
    assert not [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(own.folder) in line]
    own.start()
    running_again(pods, "web", 1)
    assert pods.sh("web", "wc -l < /disk/runs; wc -l < /memory/runs").split() == ["2", "1"]


def test_a_killed_container_is_restarted_at_once_and_then_backs_off(own: DockerCluster, pods: Space) -> None:
    pods.create(pod("victim", FOREVER))
    pods.wait("victim")
    own.docker("kill", docker_id(pods, "victim"))
    status = running_again(pods, "victim", 1)
    ended = status["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "Error")
    (pid,) = (pid for id, pid in processes(own).items() if id == docker_id(pods, "victim"))
    own.lab.run("kill", "-9", pid)

    def waiting() -> Any:
        return pods.container("victim")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"

    until(waiting, "it backs off")
    assert pods.container("victim")["state"]["waiting"]["message"].startswith("back-off 10s restarting failed")
    status = running_again(pods, "victim", 2)
    assert pods.events("victim", "BackOff")
    assert not pods.events("victim", "SandboxChanged")


def test_a_killed_pause_container_is_a_new_sandbox_for_the_whole_pod(own: DockerCluster, pods: Space) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    init = {"name": "init", "image": pod("x")["spec"]["containers"][0]["image"], "volumeMounts": mounts}
    init["command"] = ["sh", "-c", "echo ran >> /v/runs"]
    spec = {"volumes": [{"name": "v", "emptyDir": {}}], "initContainers": [init], "terminationGracePeriodSeconds": 0}
    serve = "mkdir /www; echo page >/www/index.html; exec httpd -f -p 8080 -h /www"
    pods.create(
        pod(
            "web",
            serve,
            spec=spec | {"containers": [pod("x", serve)["spec"]["containers"][0] | {"volumeMounts": mounts}]},
        )
    )
    pods.wait("web")
    pods.kubectl("expose", "pod", "web", "--port=80", "--target-port=8080")
    old = sandboxes(own, "web")
    own.docker("kill", *old)
    running_again(pods, "web", 1)
    pods.wait("web")
    (new,) = sandboxes(own, "web")
    assert [new] != old
    assert pods.sh("web", "wc -l < /v/runs") == "2"
    assert pods.container("web", "init")["restartCount"] == 1
    assert pods.events("web", "SandboxChanged") == ["Pod sandbox changed, it will be killed and re-created."]
    ip = pods.pod("web")["status"]["podIP"]
    address = own.docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", new).strip()
    assert address == ip
    slices = ("get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "json")

    def endpoint() -> Any:
        (found,) = json.loads(pods.kubectl(*slices))["items"]
        return [(each["addresses"], each["conditions"]["ready"]) for each in found["endpoints"]] == [([ip], True)]

    until(endpoint, "its endpoint is the new sandbox")


def test_a_killed_engine_and_one_that_hangs_harm_nothing_that_can_live(own: DockerCluster, pods: Space) -> None:
    pods.create(pod("calm", FOREVER, livenessProbe=PROBE), pod("deleted", FOREVER))
    for name in ("calm", "deleted"):
        pods.wait(name)
    # It hangs for longer than the node waits for it.
    engine = own.lab.engine_pid
    own.lab.run("kill", "-STOP", str(engine))
    pods.create(pod("created", FOREVER))
    pods.kubectl("delete", "pod", "deleted", "--wait=false")
    until(lambda: node_ready(own)[0] == "False", "the node is not ready")
    assert node_ready(own)[1] == "container runtime is down"
    own.lab.run("kill", "-CONT", str(engine))
    pods.wait("created")
    until(lambda: not exists(pods, "deleted"), "the deleted pod is gone")
    until(lambda: node_ready(own)[0] == "True", "the node is ready")
    assert pods.container("calm")["restartCount"] == 0
    # It is killed, with everything that is followed.
    with (
        own.popen("kubectl", "logs", "-f", "calm") as follower,
        own.popen("kubectl", "exec", "calm", "--", "sleep", "1000") as session,
    ):
        until(lambda: "sleep 1000" in own.docker("top", docker_id(pods, "calm")), "the command runs")
        own.lab.stop_engine(signal.SIGKILL)
        assert session.wait(30) != 0
        follower.wait(30)
    failed = pods.run("exec", "calm", "--", "true")
    assert (failed.returncode, "Docker" in failed.stderr) == (1, True)
    own.lab.start_engine()
    for name in ("calm", "created"):
        running_again(pods, name, 1)
    assert pods.sh("calm", "echo hi") == "hi"
    # One event stream, which goes on where it broke off: an end is seen at once.
    own.docker("kill", docker_id(pods, "created"))
    until(lambda: pods.container("created")["restartCount"] == 2, "its end is seen")


def node_ready(cluster: DockerCluster) -> tuple[str, str]:
    condition = json.loads(cluster.kubectl("get", "nodes", "-o", READY))
    return condition["status"], condition["message"]


@contextmanager
def small_disk(cluster: DockerCluster) -> Iterator[Path]:
    """The files of pods on a disk of 2 MB of their own; the file by which it is filled."""
    disk, place = cluster.folder / "disk", cluster.node_folder / "pods"
    disk.mkdir()
    place.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk))
    (disk / "pods").mkdir()
    run("mount", "--bind", str(disk / "pods"), str(place))
    try:
        yield disk / "filler"
    finally:
        run("umount", str(place))
        run("umount", str(disk))
        disk.rmdir()


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(b"x" * 4096)


def run(*words: str) -> None:
    subprocess.run(words, check=True, timeout=30)


def test_a_full_or_read_only_disk_and_a_taken_port_are_told_and_heal(own: DockerCluster, pods: Space) -> None:
    port = {"ports": [{"containerPort": 80, "hostPort": 9876}]}
    with small_disk(own) as filler:
        pods.create(pod("calm", FOREVER, livenessProbe=PROBE))
        pods.wait("calm")
        before = pods.pod("calm")
        fill(filler)
        with own.lab.popen("busybox", "nc", "-l", "-p", "9876"):
            files = {"volumes": [{"name": "files", "configMap": {"name": "kube-root-ca.crt"}}]}
            pods.create(pod("full", FOREVER, spec=files), pod("bare", FOREVER))
            until(lambda: "No space left on device" in "".join(pods.events("full", "FailedMount")), "it is told")
            until(lambda: "No space left on device" in str(pods.container("bare")["state"]), "it is told")
            filler.unlink()
            for name in ("full", "bare"):
                pods.wait(name)
            run("mount", "-o", "remount,bind,ro", str(own.node_folder / "pods"))
            pods.create(pod("ro", FOREVER))
            until(lambda: "Read-only file system" in "".join(pods.events("ro", "FailedMount")), "it is told")
            run("mount", "-o", "remount,bind,rw", str(own.node_folder / "pods"))
            pods.wait("ro")
            pods.create(pod("port", FOREVER, **port))
            until(
                lambda: "address already in use" in "".join(pods.events("port", "FailedCreatePodSandBox")), "it is told"
            )
        pods.wait("port")
        assert pods.pod("calm") == before
        assert node_ready(own)[0] == "True"
        pods.kubectl("delete", "pod", "--all", "--timeout=60s")
        until(lambda: not list((own.node_folder / "pods").iterdir()), "their files are gone")


def test_after_many_kills_all_is_as_wanted(own: DockerCluster, pods: Space) -> None:
    chance = random.Random(20261125)
    wanted: set[str] = set()
    for round in range(6):
        made = [f"p{round}-{number}" for number in range(3)]
        mounts = {"volumeMounts": [{"name": "m", "mountPath": "/m"}]}
        volumes = {"volumes": [{"name": "m", "emptyDir": {"medium": "Memory"}}], "terminationGracePeriodSeconds": 1}
        pods.create(*(pod(name, FOREVER, spec=volumes, **mounts) for name in made))
        wanted |= set(made)
        for name in chance.sample(sorted(wanted), 2):
            pods.kubectl("delete", "pod", name, "--wait=false")
            wanted.discard(name)
        time.sleep(chance.random())
        own.kill()
        own.start()
    for name in wanted:
        pods.wait(name)

    def found() -> set[str]:
        return set(pods.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.name}").split())

    until(lambda: found() == wanted, "only those are there")
    assert {name: pods.container(name)["restartCount"] for name in wanted} == dict.fromkeys(wanted, 0)
    until(lambda: len(processes(own)) == 2 * len(wanted), "a sandbox and a container each")
    addresses = pods.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.podIP}").split()
    assert len(set(addresses)) == len(wanted)
    mounted = [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"{own.folder}" in line]
    assert len([line for line in mounted if line.endswith("volumes/m") or "volumes/m " in line]) == len(wanted)


class Machine(DockerCluster):
    """One whose machine can be started anew."""

    boot_id = ""

    def command(self, *words: str) -> list[str]:
        command = super().command(*words)
        if words[0] != sys.executable or not self.boot_id:
            return command
        file = self.folder / "boot_id"
        file.write_text(self.boot_id + "\n")
        script = f'mount --make-private /proc && mount --bind {file} /proc/sys/kernel/random/boot_id && exec "$@"'
        return ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", script, "sh", *command]

    def reboot(self) -> None:
        """Power off and on."""
        self.kill()
        self.lab.lose_power()
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if str(self.data) in line.split()[1]:
                run("umount", "-l", line.split()[1])
        self.boot_id = str(uuid.uuid4())
        self.lab.start_engine()
        self.start()


STATIC = """
apiVersion: v1
kind: Pod
metadata: {name: static}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "kube-actors-test/busybox:1", command: [sleep, "3600"]}]
"""


def test_after_a_reboot_of_the_machine_the_pods_are_back() -> None:
    if reason := why_not():
        pytest.skip(reason)
    with DockerLab() as lab:
        lab.import_busybox()
        machine = Machine(lab)
        try:
            machine.start()
            _reboot(machine, Space(machine, "default"))
        finally:
            print(machine.log.read_text()[-6000:])
            machine.close()
    assert not lab.leaks()


def _reboot(machine: Machine, space: Space) -> None:
    mounts = [{"name": "disk", "mountPath": "/disk"}, {"name": "memory", "mountPath": "/memory"}]
    volumes = [{"name": "disk", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}}]
    spec = {"volumes": volumes, "terminationGracePeriodSeconds": 0}
    manifest = machine.node_folder / "manifests" / "static.yaml"
    manifest.parent.mkdir(exist_ok=True)
    manifest.write_text(STATIC)
    script = f"date >> /disk/runs; date >> /memory/runs; {FOREVER}"
    space.create(
        *(pod(f"web-{number}", script, spec=spec, volumeMounts=mounts) for number in range(3)),
        pod("done", "true", spec={"restartPolicy": "Never"}),
        pod("once", FOREVER, spec={"restartPolicy": "Never"}),
    )
    names = ("web-0", "web-1", "web-2", "static-node-1")
    for name in names:
        until(lambda name=name: exists(space, name), f"{name} is there")
        space.wait(name)
    space.phase("done", "Succeeded")
    space.wait("once")
    machine.reboot()
    for name in names:
        running_again(space, name, 1)
    assert space.sh("web-0", "wc -l < /disk/runs; wc -l < /memory/runs").split() == ["2", "1"]
    # Made anew; on the disk where the engine does not see what is mounted beside the other boot id.
    assert space.sh("web-0", "cat /var/run/secrets/kubernetes.io/serviceaccount/token")
    assert space.phase("done", "Succeeded")["status"]["containerStatuses"][0]["restartCount"] == 0
    ended = space.phase("once", "Failed")["status"]["containerStatuses"][0]
    assert (ended["restartCount"], ended["state"]["terminated"]["exitCode"] != 0) == (0, True)
    addresses = [space.pod(name)["status"]["podIP"] for name in names]
    assert len(set(addresses)) == len(names)
    told = json.loads(machine.kubectl("get", "events", "--field-selector", "reason=Rebooted", "-o", "json"))["items"]
    assert [each["message"] for each in told] == [f"Node node-1 has been rebooted, boot id: {machine.boot_id}"]
    manifest.unlink()
    until(lambda: not exists(space, "static-node-1"), "the static pod has ended")
    space.kubectl("delete", "pods", "--all", "--timeout=60s")
    until(lambda: not machine.leaks(), f"nothing is left: {machine.leaks()}")


class Apart(DockerCluster):
    """Each component a process of its own, at the ports that it has by default."""

    def __init__(self, lab: Any) -> None:
        super().__init__(lab)
        self.kubeconfig = self.data / "kubeconfig"
        self.parts: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        self.begin("store", "--data", str(self.folder / "store"))
        self.begin("apiserver")
        until(self.kubeconfig.exists, "the API server serves")
        self.begin("scheduler")
        self.begin("controller-manager")
        self.begin("node", "--runtime", "docker", "--no-proxy")
        # Where no node is well the controllers evict nothing.
        self.begin("node", "--runtime", "simulated", "--no-proxy", "--name", "well", "--pod-cidr", "10.250.0.0/24")
        until(lambda: node_ready(self)[0] == "True", "the node is ready")
        until(lambda: self.kubectl("cordon", "well"), "no pod goes to the other")
        until(lambda: self.kubectl("get", "serviceaccount", "default"), "pods can be made")

    @property
    def node_folder(self) -> Path:
        return self.data / "nodes" / "node-1"

    def begin(self, part: str, *flags: str) -> None:
        """A component; the second node is called `well`."""
        data = () if part == "store" else ("--data", str(self.data))
        with (self.folder / f"{part}.log").open("ab") as log:
            command = self.command(sys.executable, "-m", "kube_actors_cli.main", "run", part, *data, *flags)
            name = "well" if "well" in flags else part
            self.parts[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def end(self, part: str, sign: int = signal.SIGTERM) -> None:
        process = self.parts.pop(part)
        process.send_signal(signal.SIGCONT)
        process.send_signal(sign)
        process.wait(30)

    def stop(self) -> None:
        for part in reversed(list(self.parts)):
            self.end(part)


def test_without_api_server_pods_go_on_and_without_its_agent_a_node_is_lost() -> None:
    if reason := why_not():
        pytest.skip(reason)
    with DockerLab() as lab:
        lab.import_busybox()
        cluster = Apart(lab)
        try:
            cluster.start()
            space = Space(cluster, "default")
            _without_api_server(cluster, space)
            _without_agent(cluster, space)
        finally:
            for file in cluster.folder.glob("*.log"):
                print(file.name, file.read_text()[-2000:])
            cluster.close()
    assert not lab.leaks()


def _without_api_server(cluster: Apart, space: Space) -> None:
    sick = {"exec": {"command": ["test", "!", "-e", "/tmp/sick"]}, "periodSeconds": 1, "failureThreshold": 1}
    leave = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
    space.create(
        pod("calm", FOREVER, readinessProbe=PROBE),
        pod(
            "killed",
            FOREVER,
            spec={"tolerations": [leave | {"tolerationSeconds": 1}], "terminationGracePeriodSeconds": 9},
        ),
        pod("sick", FOREVER, livenessProbe=sick | {"timeoutSeconds": 5}, spec={"terminationGracePeriodSeconds": 1}),
    )
    for name in ("calm", "killed", "sick"):
        space.wait(name)
    calm, conditions = space.pod("calm"), ready_conditions(cluster)
    uids = {name: space.pod(name)["metadata"]["uid"] for name in ("killed", "sick")}
    restarts, codes = {"killed": 2, "sick": 1}, {"killed": 137, "sick": 0}
    away = time.monotonic()
    cluster.end("apiserver", signal.SIGKILL)
    cluster.docker("kill", docker_name(cluster, "killed"))
    cluster.docker("exec", docker_name(cluster, "sick"), "touch", "/tmp/sick")
    until(lambda: docker_name(cluster, "killed").endswith("_1"), "it runs again, unseen")
    cluster.docker("kill", docker_name(cluster, "killed"))
    for name, count in restarts.items():
        until(lambda name=name, count=count: docker_name(cluster, name).endswith(f"_{count}"), f"{name} runs again")
    processes_then = processes(cluster)
    time.sleep(max(0.0, away + AWAY - time.monotonic()))
    cluster.begin("apiserver")
    back = SystemClock().now()
    until(lambda: cluster.kubectl("get", "--raw", "/readyz"), "the API server is back")
    for name, count in restarts.items():
        status = running_again(space, name, count)
        assert status["lastState"]["terminated"]["exitCode"] == codes[name]
        until(lambda name=name, count=count: times(space, name, "Started") == count + 1, "each start is told")
    until(lambda: space.events("sick", "Unhealthy"), "it is told why")
    assert space.events("killed", "BackOff")

    def renewed() -> bool:
        lease = json.loads(cluster.kubectl("get", "lease", "node-1", "-n", "kube-node-lease", "-o", "json"))
        return parse_rfc3339(lease["spec"]["renewTime"]) > back

    until(renewed, "the lease is renewed", 20)
    # The controllers know nothing of the time before, and give each node its grace period from now on.
    until(lambda: leading_since(cluster) > back, "the controllers lead again")
    time.sleep(5)
    assert ready_conditions(cluster) == conditions
    assert space.pod("calm") == calm
    assert {name: space.pod(name)["metadata"]["uid"] for name in uids} == uids
    assert not cluster.kubectl("get", "events", "--field-selector", "reason=NodeNotReady", "-o", "name")
    assert processes(cluster) == processes_then


def _without_agent(cluster: Apart, space: Space) -> None:
    """Long enough for the controllers to give the node up, and for its pods to be evicted that do not bear it."""
    before = {name: docker_name(cluster, name) for name in ("calm", "killed")}
    cluster.parts["node"].send_signal(signal.SIGSTOP)
    until(lambda: space.pod("killed")["metadata"].get("deletionTimestamp"), "the pod is evicted", 120)
    assert node_ready(cluster)[0] == "Unknown"
    assert before.items() <= {name: docker_name(cluster, name) for name in ("calm", "killed")}.items()
    cluster.parts["node"].send_signal(signal.SIGCONT)
    until(lambda: node_ready(cluster)[0] == "True", "the node is back")
    until(lambda: not exists(space, "killed"), "the evicted pod has ended")
    space.wait("calm")
    assert space.container("calm")["restartCount"] == 0
    assert docker_name(cluster, "killed") == ""
    space.kubectl("delete", "pods", "--all", "--timeout=60s")
    until(lambda: not cluster.leaks(), f"nothing is left: {cluster.leaks()}")


def times(space: Space, pod: str, reason: str) -> int:
    """How often something is told of a pod."""
    chosen = f"involvedObject.name={pod},reason={reason}"
    found = json.loads(space.kubectl("get", "events", "--field-selector", chosen, "-o", "json"))["items"]
    return sum(each.get("count") or 1 for each in found)


def ready_conditions(cluster: DockerCluster) -> dict[str, tuple[str, str]]:
    """By node: whether it is ready, and since when."""
    nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    conditions = {
        node["metadata"]["name"]: next(each for each in node["status"]["conditions"] if each["type"] == "Ready")
        for node in nodes
    }
    return {name: (each["status"], each["lastTransitionTime"]) for name, each in conditions.items()}


def leading_since(cluster: DockerCluster) -> float:
    lease = cluster.kubectl("get", "lease", "kube-controller-manager", "-n", "kube-system", "-o", "json")
    return parse_rfc3339(json.loads(lease)["spec"]["renewTime"])


def docker_name(cluster: DockerCluster, name: str) -> str:
    """Of the container that runs of the pod; it ends with the number of its restarts."""
    return cluster.docker("ps", "--format", "{{.Names}}", "--filter", f"name=k8s_c_{name}_").strip()
