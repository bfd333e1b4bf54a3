"""What is wrong with a pod is told in Kubernetes' words, and nobody else notices."""

from __future__ import annotations

import sys
from typing import Any

from tests.e2e.docker_cluster.cluster import Space, pod
from tests.kactl_cluster import until

NEVER = {"restartPolicy": "Never"}


def waiting(space: Space, name: str, *reasons: str) -> str:
    """The message with which a container waits, once it does for one of the reasons."""

    def look() -> str:
        state = space.container(name)["state"].get("waiting", {})
        return str(state.get("message", "-")) if state.get("reason") in reasons else ""

    return until(look, f"{name} waits for {reasons}")


def test_what_a_container_needs_and_is_not_there_is_named(space: Space) -> None:
    space.kubectl("create", "configmap", "there", "--from-literal=a=b")

    def variable(kind: str, name: str) -> Any:
        return [{"name": "A", "valueFrom": {kind: {"name": name, "key": "nope"}}}]

    space.create(
        pod("no-key", env=variable("configMapKeyRef", "there")),
        pod("no-map", env=variable("configMapKeyRef", "lost")),
        pod("no-secret", env=variable("secretKeyRef", "lost")),
        pod("no-source", envFrom=[{"secretRef": {"name": "lost"}}]),
        pod("fine", env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "there", "key": "a"}}}]),
    )
    reason = "CreateContainerConfigError"
    assert waiting(space, "no-key", reason) == f"couldn't find key nope in ConfigMap {space.name}/there"
    assert waiting(space, "no-map", reason) == 'configmap "lost" not found'
    assert waiting(space, "no-secret", reason) == 'secret "lost" not found'
    assert waiting(space, "no-source", reason) == 'secret "lost" not found'
    assert any(text == 'Error: configmap "lost" not found' for text in space.events("no-map", "Failed"))
    assert space.kubectl("get", "pod", "no-map").splitlines()[1].split()[2] == reason
    space.wait("fine")
    # What was missing is looked for again.
    space.kubectl("create", "configmap", "lost", "--from-literal=nope=x")
    space.wait("no-map")
    assert space.sh("no-map", "echo $A") == "x"


def test_images_that_cannot_be_had_are_told(space: Space) -> None:
    space.create(
        pod("never", image="no-such-image:1", imagePullPolicy="Never"),
        pod("lost", image="127.0.0.1:9/no/such:1"),
        pod("wrong", image="Not/AName:1"),
    )
    text = 'Container image "no-such-image:1" is not present with pull policy of Never'
    assert waiting(space, "never", "ErrImageNeverPull") == text
    assert waiting(space, "wrong", "InvalidImageName").startswith('Failed to apply default image tag "Not/AName:1"')
    waiting(space, "lost", "ErrImagePull")
    assert waiting(space, "lost", "ImagePullBackOff").startswith('Back-off pulling image "127.0.0.1:9/no/such:1"')
    unread = space.run("logs", "lost").stderr
    assert unread.rstrip().endswith('"lost" is waiting to start: trying and failing to pull image'), unread
    assert any("Failed to pull image" in text for text in space.events("lost", "Failed"))
    assert "Error: ImagePullBackOff" in space.events("lost", "Failed")
    assert 'Back-off pulling image "127.0.0.1:9/no/such:1"' in "\n".join(space.events("lost", "BackOff"))
    assert space.pod("lost")["status"]["phase"] == "Pending"


def test_commands_and_users_that_do_not_exist_end_the_container(space: Space) -> None:
    space.create(
        pod("no-command", command=["/no/such/command"], spec=NEVER),
        pod("no-program", "exec /etc", spec=NEVER),
        pod("no-folder", workingDir="/etc/passwd", spec=NEVER),
        pod("crash", "echo oh no; exit 42"),
        # Kubernetes makes one dollar of two.
        pod("signal", "sh -c 'kill -9 $$$$'; exit $?", spec=NEVER),
    )

    def ended(name: str) -> Any:
        return space.phase(name, "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]

    lost = ended("no-command")
    assert (lost["exitCode"], lost["reason"]) == (128, "StartError")
    assert "/no/such/command" in lost["message"]
    assert lost["startedAt"] == "1970-01-01T00:00:00Z"
    assert any("/no/such/command" in text for text in space.events("no-command", "Failed"))
    assert ended("no-program")["exitCode"] == 126
    assert "not a directory" in waiting(space, "no-folder", "CreateContainerError")
    assert ended("signal")["exitCode"] == 137
    waiting(space, "crash", "CrashLoopBackOff")
    assert space.kubectl("logs", "crash") == "oh no\n"
    refused = space.run("exec", "crash", "--", "true")
    assert refused.returncode == 1
    assert 'unable to upgrade connection: container not found ("c")' in refused.stderr
    refused = space.run("exec", "signal", "--", "true")
    assert "cannot exec into a container in a completed pod; current phase is Failed" in refused.stderr


def test_a_container_that_takes_too_much_memory_is_killed_for_it(space: Space) -> None:
    greedy = "x=a; while :; do x=$x$x; done"
    space.create(pod("greedy", greedy, spec=NEVER, resources={"limits": {"memory": "24Mi"}}))
    state = space.phase("greedy", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["reason"], state["exitCode"]) == ("OOMKilled", 137)


def test_a_port_of_the_host_that_is_taken_keeps_one_pod_waiting_and_no_other(space: Space) -> None:
    with space.cluster.popen(sys.executable, "-m", "http.server", "18099"):
        space.create(pod("port", ports=[{"containerPort": 80, "hostPort": 18099}]), pod("neighbour"))
        text = until(lambda: "\n".join(space.events("port", "FailedCreatePodSandBox")))
        assert text.startswith("Failed to create pod sandbox: ")
        assert "18099" in text
        assert space.container("port")["state"]["waiting"]["reason"] == "ContainerCreating"
        space.wait("neighbour")
    space.wait("port")


def test_a_sub_path_that_leads_out_of_its_volume_is_refused(space: Space) -> None:
    mount = {"name": "v", "mountPath": "/v", "subPath": "out"}
    make = {
        "name": "make",
        "image": pod("x")["spec"]["containers"][0]["image"],
        "command": ["ln", "-s", "/etc", "/v/out"],
    }
    make["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    spec = {"volumes": [{"name": "v", "emptyDir": {}}], "initContainers": [make]}
    space.create(pod("escape", spec=spec, volumeMounts=[mount]))
    message = waiting(space, "escape", "CreateContainerConfigError")
    assert "subPath" in message or "failed to prepare subPath" in message
