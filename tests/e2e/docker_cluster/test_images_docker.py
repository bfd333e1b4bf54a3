"""Images from a real registry, through kubectl: policies, secrets, what images say of themselves, volumes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.docker_cluster.cluster import DockerCluster, Space, pod
from tests.e2e.docker_cluster.registry import HOST, Registry, pull_secret, why_not
from tests.e2e.lab import BUSYBOX_IMAGE
from tests.kactl_cluster import until

FROM = f"FROM {BUSYBOX_IMAGE}\n"
# Several layers, one of which takes back what another gave, and every default that a container inherits.
DOCKERFILE = f"""{FROM}
RUN mkdir -p /data/sub /srv/app && echo lower > /data/file && echo gone > /data/gone && echo x > /data/sub/x
COPY now /data/now
RUN rm /data/gone && echo upper > /data/file && echo 'web:x:1234:1234::/:/bin/sh' >> /etc/passwd
RUN printf '#!/bin/sh\\necho run > /tmp/ran\\n' > /data/script && chmod 755 /data/script
ENV COLOUR=green SHAPE=round
WORKDIR /srv/app
VOLUME /srv/cache
EXPOSE 8080
STOPSIGNAL SIGUSR1
ENTRYPOINT ["sh", "-c"]
CMD ["trap 'exit 7' USR1; while :; do sleep 0.1; done"]
"""


@pytest.fixture(scope="module")
def registry(cluster: DockerCluster) -> Iterator[Registry]:
    if reason := why_not():
        pytest.skip(reason)
    with Registry(cluster.lab) as registry:
        registry.push(DOCKERFILE, "team/web:1")
        yield registry


def of(name: str, image: str, *secrets: str, policy: str = "", spec: Any = None, **container: Any) -> Any:
    """A pod that runs an image as the image says."""
    fields = {"name": "c", "image": image} | ({"imagePullPolicy": policy} if policy else {}) | container
    body = {"containers": [fields], "imagePullSecrets": [{"name": each} for each in secrets]}
    return pod(name, spec=body | (spec or {}))


def waiting(space: Space, name: str, reason: str) -> str:
    """The message with which the container waits for that reason."""

    def look() -> Any:
        state = space.container(name)["state"]
        assert state.get("waiting", {}).get("reason") == reason, state
        return state["waiting"]

    return str(until(look, reason).get("message", ""))


def told_of_images(space: Space) -> set[str]:
    node = json.loads(space.kubectl("get", "nodes", "-o", "json"))["items"][0]
    return {name for each in node["status"]["images"] for name in each["names"]}


def test_a_private_image_needs_the_right_secret(space: Space, registry: Registry) -> None:
    image = f"{HOST}/team/web:1"
    space.create(
        pull_secret("right"), pull_secret("old", kind="dockercfg"), pull_secret("wrong", "no"),
        of("none", image), of("wrong", image, "wrong"), of("several", image, "missing", "wrong", "right"),
    )  # fmt: skip
    space.wait("several")
    for name in ("none", "wrong"):
        until(lambda name=name: len(space.events(name, "Failed")) > 1)
        message = waiting(space, name, "ImagePullBackOff")
        start = f'Back-off pulling image "{image}": ErrImagePull: failed to pull image "{image}": '
        assert (message.startswith(start) and "no basic auth credentials" in message) or "unauthorized" in message
        assert f'Back-off pulling image "{image}"' in space.events(name, "BackOff")
        assert {"Error: ErrImagePull", "Error: ImagePullBackOff"} <= set(space.events(name, "Failed"))
        assert any(each.startswith(f'Failed to pull image "{image}": ') for each in space.events(name, "Failed"))
    assert "secrets (missing); attempting" in space.events("several", "FailedToRetrieveImagePullSecret")[0]
    pulled = space.events("several", "Pulled")[0]
    assert pulled.startswith(f'Successfully pulled image "{image}" in ')
    assert " including waiting). Image size: " in pulled
    # It is here now: for a pod with the login at once, for one without it not at all.
    space.create(of("legacy", image, "old", policy="Never"), of("stranger", image, policy="Never"))
    space.wait("legacy")
    assert "can be accessed by the pod" in space.events("legacy", "Pulled")[0]
    assert "does not have the proper credentials" in waiting(space, "stranger", "ErrImageNeverPull")
    # The account's secrets are those of its pods.
    account = {"imagePullSecrets": [{"name": "right"}]}
    space.kubectl("patch", "serviceaccount", "default", "-p", json.dumps(account))
    plain = of("account", image, policy="Always")
    del plain["spec"]["imagePullSecrets"]
    space.create(plain)
    space.wait("account")


def test_policies_names_and_what_is_told_of_images(space: Space, registry: Registry) -> None:
    image, script = f"{HOST}/team/tag:latest", ["sleep", "3600"]
    first = registry.push(f"{FROM}ENV VERSION=1\n", "team/tag:latest")
    space.create(pull_secret("s"), of("one", image, "s", command=script))
    space.wait("one")
    status = space.container("one")
    assert (status["image"], status["imageID"]) == (image, first)
    # A tag that moves: Always asks the registry, IfNotPresent and a digest do not care.
    second = registry.push(f"{FROM}ENV VERSION=2\n", "team/tag:latest")
    assert second != first
    space.create(
        of("present", image, "s", policy="IfNotPresent", command=script),
        of("digest", first, "s", command=script),
    )
    for name in ("present", "digest"):
        space.wait(name)
        assert space.sh(name, "echo $VERSION") == "1"
        assert space.container(name)["imageID"] == first
    space.create(of("always", image, "s", command=script))
    space.wait("always")
    assert space.sh("always", "echo $VERSION") == "2"
    assert space.container("always")["imageID"] == second
    assert (space.sh("one", "echo $VERSION"), space.container("one")["imageID"]) == ("1", first)
    until(lambda: {BUSYBOX_IMAGE, image, second, first} <= told_of_images(space), "the node tells of its images")
    # What cannot be had.
    space.create(
        of("tagless", f"{HOST}/team/tag:none", "s"),
        of("never", f"{HOST}/team/other:1", "s", policy="Never"),
        of("invalid", "Not//A:Name", "s"),
    )
    assert "not found" in waiting(space, "tagless", "ErrImagePull")
    text = f'Container image "{HOST}/team/other:1" is not present with pull policy of Never'
    assert waiting(space, "never", "ErrImageNeverPull") == text
    assert text in space.events("never", "ErrImageNeverPull")
    text = 'Failed to apply default image tag "Not//A:Name": couldn\'t parse image name "Not//A:Name": '
    assert waiting(space, "invalid", "InvalidImageName").startswith(text)
    assert space.events("invalid", "InspectFailed")[0].startswith(text)
    until(lambda: "Error: InvalidImageName" in space.events("invalid", "Failed"))


def test_a_container_inherits_from_its_image(space: Space, registry: Registry) -> None:
    registry.push(f"{DOCKERFILE}USER web\n", "team/named:1")
    image, named = f"{HOST}/team/web:1", f"{HOST}/team/named:1"
    root = {"securityContext": {"runAsNonRoot": True}}
    space.create(
        pull_secret("s"),
        of("both", image, "s", spec={"terminationGracePeriodSeconds": 20}),
        of("args", image, "s", args=["echo $COLOUR $SHAPE; pwd"], env=[{"name": "SHAPE", "value": "square"}]),
        of("command", image, "s", command=["echo", "only"], workingDir="/tmp"),
        of("all", image, "s", command=["echo"], args=["a", "b"]),
        of("user", named, "s", args=["id -un; id -u; sleep 3600"]),
        of("group", named, "s", args=["id -u; id -g"], securityContext={"runAsGroup": 77}),
        of("refused", named, "s", spec=root),
        of("root", image, "s", spec=root),
    )
    for name in ("args", "command", "all", "group"):
        until(lambda name=name: "terminated" in (space.container(name)["lastState"] | space.container(name)["state"]))
    said = {name: space.kubectl("logs", name).split("\n")[:-1] for name in ("args", "command", "all", "group")}
    assert said == {
        "args": ["green square", "/srv/app"],
        "command": ["only"],
        "all": ["a b"],
        "group": ["1234", "77"],
    }
    space.wait("user")
    assert space.kubectl("logs", "user").split() == ["web", "1234"]
    who = f'(pod: "{{0}}_{space.name}('
    text = "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root "
    assert waiting(space, "refused", "CreateContainerConfigError").startswith(text + who.format("refused"))
    text = "container has runAsNonRoot and image will run as root "
    assert waiting(space, "root", "CreateContainerConfigError").startswith(text + who.format("root"))
    # The image's signal ends it long before the grace, with the code of its trap.
    space.wait("both")
    code = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}{'\\n'}"
    with space.cluster.popen("kubectl", "-n", space.name, "get", "pod", "both", "-w", "-o", code) as watch:
        space.kubectl("delete", "pod", "both")
        watch.terminate()
        out, _ = watch.communicate()
    assert "7" in out.decode().split()


def test_an_image_is_a_volume(space: Space, registry: Registry) -> None:
    image = f"{HOST}/team/web:1"
    volume = {"name": "v", "image": {"reference": image, "pullPolicy": "Always"}}
    mounts = [
        {"name": "v", "mountPath": "/whole", "readOnly": True},
        {"name": "v", "mountPath": "/part", "subPath": "data/sub"},
        {"name": "v", "mountPath": "/part.txt", "subPath": "data/file"},
    ]
    secrets = {"imagePullSecrets": [{"name": "s"}]}
    missing = {"name": "v", "image": {"reference": f"{HOST}/team/none:1"}}
    space.create(
        pull_secret("s"),
        pod("reader", spec={"volumes": [volume]} | secrets, volumeMounts=mounts),
        pod("missing", spec={"volumes": [missing]} | secrets, volumeMounts=mounts[:1]),
    )
    space.wait("reader")
    assert space.sh("reader", "cat /whole/data/file /part/x /part.txt").split() == ["upper", "x", "upper"]
    assert space.sh("reader", "ls /whole/data").split() == ["file", "now", "script", "sub"]
    assert ".dockerenv" not in space.sh("reader", "ls -A /whole")
    assert "Read-only file system" in space.sh("reader", "touch /whole/new 2>&1 || true")
    assert "Permission denied" in space.sh("reader", "/whole/data/script 2>&1 || true")
    assert any(f'Pulling image "{image}"' in each for each in space.events("reader", "Pulling"))
    message = waiting(space, "missing", "ImagePullBackOff")
    assert message.startswith(f'Back-off pulling image "{HOST}/team/none:1": ErrImagePull: ')
    until(lambda: "Error: ImagePullBackOff" in space.events("missing", "Failed"))


def test_a_pull_ends_with_its_pod(space: Space, registry: Registry) -> None:
    """The registry does not answer: the pod goes at once all the same."""
    registry.freeze()
    try:
        space.create(pull_secret("s"), of("stuck", f"{HOST}/team/web:1", "s", policy="Always"))
        until(lambda: space.events("stuck", "Pulling"))
        space.kubectl("delete", "pod", "stuck", "--timeout=30s")
    finally:
        registry.thaw()
