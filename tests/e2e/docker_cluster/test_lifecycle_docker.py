"""The life of pods on Docker: initialization, restarts, hooks, graceful ends, deadlines, last words."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.docker_cluster.cluster import Space, pod
from tests.e2e.lab import BUSYBOX_IMAGE
from tests.kactl_cluster import until

NEVER = {"restartPolicy": "Never"}
SHARED = {"volumes": [{"name": "shared", "emptyDir": {}}]}
MOUNT = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}


def container(name: str, script: str, **fields: Any) -> Any:
    return {"name": name, "image": BUSYBOX_IMAGE, "command": ["sh", "-c", script]} | fields


def condition(found: Any, kind: str) -> Any:
    return next(each for each in found["status"]["conditions"] if each["type"] == kind)


def ended(found: Any, name: str = "c") -> Any:
    """How a container of a pod ended."""
    statuses = found["status"]["containerStatuses"] + found["status"].get("initContainerStatuses", [])
    return next(each for each in statuses if each["name"] == name)["state"]["terminated"]


def test_init_containers_run_in_order_before_the_others(space: Space) -> None:
    first = container("first", "until test -e /shared/go; do sleep 0.1; done; echo first >>/shared/log", **MOUNT)
    second = container("second", "echo second >>/shared/log", **MOUNT)
    space.create(
        pod("web", "echo main >>/shared/log; sleep 3600", spec={"initContainers": [first, second]} | SHARED, **MOUNT)
    )
    until(lambda: space.container("web", "first")["state"].get("running"))
    waiting = space.pod("web")
    initialized = condition(waiting, "Initialized")
    assert initialized["status"] == "False"
    assert initialized["reason"] == "ContainersNotInitialized"
    assert initialized["message"] == "containers with incomplete status: [first second]"
    assert space.container("web")["state"]["waiting"]["reason"] == "PodInitializing"
    assert "Init:0/2" in space.kubectl("get", "pod", "web")
    space.kubectl("exec", "web", "-c", "first", "--", "touch", "/shared/go")
    space.wait("web")
    assert space.sh("web", "cat /shared/log").split() == ["first", "second", "main"]
    assert [each["state"]["terminated"]["reason"] for each in space.pod("web")["status"]["initContainerStatuses"]] == [
        "Completed",
        "Completed",
    ]


def test_an_init_container_that_fails_ends_the_pod_or_is_tried_again(space: Space) -> None:
    failing = {"initContainers": [container("setup", "exit 3")]}
    space.create(pod("once", spec=failing | NEVER), pod("again", spec=failing))
    found = space.phase("once", "Failed")
    assert ended(found, "setup")["exitCode"] == 3
    assert "Init:Error" in space.kubectl("get", "pod", "once")
    assert space.container("once")["state"]["waiting"]["reason"] == "PodInitializing"
    until(lambda: space.container("again", "setup")["restartCount"] >= 1)
    until(lambda: "Init:CrashLoopBackOff" in space.kubectl("get", "pod", "again"))


def test_a_sidecar_holds_the_others_up_until_it_has_started_and_ends_after_them(space: Space) -> None:
    side = container(
        "side",
        "trap 'echo side >>/shared/log; exit 0' TERM; while :; do sleep 0.1; done",
        restartPolicy="Always",
        startupProbe={"exec": {"command": ["test", "-e", "/shared/started"]}, "periodSeconds": 1},
        **MOUNT,
    )
    main = "echo main >>/shared/log"
    space.create(
        pod(
            "job",
            main,
            spec={"initContainers": [side]} | SHARED | NEVER | {"terminationGracePeriodSeconds": 20},
            **MOUNT,
        )
    )
    until(lambda: space.container("job", "side")["state"].get("running"))
    time.sleep(1.5)
    held = space.pod("job")
    assert held["status"]["initContainerStatuses"][0]["started"] is False
    assert "waiting" in held["status"]["containerStatuses"][0]["state"]
    space.kubectl("exec", "job", "-c", "side", "--", "touch", "/shared/started")
    found = space.phase("job", "Succeeded")
    assert ended(found, "side")["exitCode"] == 0
    assert ended(found)["finishedAt"] <= ended(found, "side")["finishedAt"]


def test_restart_policies_decide_who_runs_again(space: Space) -> None:
    on_failure = {"restartPolicy": "OnFailure"}
    space.create(
        pod("never", "exit 2", spec=NEVER),
        pod("done", "exit 0", spec=on_failure),
        pod("failing", "exit 2", spec=on_failure),
        pod("always", "exit 0"),
    )
    assert ended(space.phase("never", "Failed")) | {"containerID": "", "startedAt": "", "finishedAt": ""} == {
        "containerID": "",
        "startedAt": "",
        "finishedAt": "",
        "exitCode": 2,
        "reason": "Error",
    }
    assert ended(space.phase("done", "Succeeded"))["reason"] == "Completed"
    assert condition(space.pod("done"), "Ready")["reason"] == "PodCompleted"
    until(lambda: space.container("failing")["restartCount"] >= 1)
    until(lambda: space.container("always")["restartCount"] >= 1)
    until(lambda: space.container("failing")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
    waiting = space.container("failing")
    assert waiting["state"]["waiting"]["message"].startswith("back-off ")
    assert f"restarting failed container=c pod=failing_{space.name}(" in waiting["state"]["waiting"]["message"]
    assert waiting["lastState"]["terminated"]["exitCode"] == 2
    assert any(text.startswith("Back-off restarting failed container c in pod") for text in space.events("failing"))
    assert space.container("never")["restartCount"] == 0


def test_hooks_run_around_a_container_and_its_end_is_graceful(space: Space) -> None:
    lifecycle = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo post >>/shared/log"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo pre >>/shared/log; sleep 0.5"]}},
    }
    graceful = "trap 'echo term >>/shared/log; exit 0' TERM; while :; do sleep 0.1; done"
    watcher = container("watcher", "trap 'sleep 3; exit 0' TERM; tail -F /shared/log & while :; do wait; done", **MOUNT)
    # The last word about a pod that goes is its log, followed.
    both = pod("web", graceful, spec=SHARED | {"terminationGracePeriodSeconds": 20}, lifecycle=lifecycle, **MOUNT)
    both["spec"]["containers"].append(watcher)
    failing = {"postStart": {"exec": {"command": ["sh", "-c", "echo no luck; exit 7"]}}}
    space.create(
        both,
        pod("failing", lifecycle=failing),
        pod("sleeper", lifecycle={"preStop": {"sleep": {"seconds": 2}}}, spec={"terminationGracePeriodSeconds": 10}),
    )
    space.wait("web")
    with space.cluster.popen("kubectl", "-n", space.name, "logs", "-f", "web", "-c", "watcher") as follower:
        begun = time.monotonic()
        space.kubectl("delete", "pod", "web")
        assert time.monotonic() - begun < 20
        out, _ = follower.communicate(timeout=20)
    assert out.split() == [b"post", b"pre", b"term"]
    # Not what it said, which may be a secret.
    until(lambda: space.events("failing", "FailedPostStartHook") == ["PostStartHook failed"])
    until(lambda: space.container("failing")["restartCount"] >= 1)
    begun = time.monotonic()
    space.wait("sleeper")
    space.kubectl("delete", "pod", "sleeper")
    assert time.monotonic() - begun > 2


def test_a_pod_that_does_not_heed_the_signal_is_killed_after_its_grace_or_at_once_by_force(space: Space) -> None:
    deaf = "trap '' TERM; echo deaf; while :; do sleep 0.1; done"
    patient = {"terminationGracePeriodSeconds": 3600}
    space.create(pod("deaf", deaf, spec=patient), pod("forced", deaf, spec=patient))
    for name in ("deaf", "forced"):
        space.wait(name)
        until(lambda name=name: space.kubectl("logs", name) == "deaf\n")
    begun = time.monotonic()
    space.kubectl("delete", "pod", "deaf", "--grace-period=2")
    assert 2 <= time.monotonic() - begun < 30
    space.kubectl("delete", "pod", "forced", "--grace-period=0", "--force")
    assert space.run("get", "pod", "forced").returncode == 1


def test_a_deadline_ends_a_pod(space: Space) -> None:
    space.create(pod("late", spec={"activeDeadlineSeconds": 2}))
    status = space.phase("late", "Failed")["status"]
    assert status["reason"] == "DeadlineExceeded"
    assert status["message"] == "Pod was active on the node longer than the specified deadline"
    until(lambda: space.events("late", "DeadlineExceeded") == [status["message"]])


def test_last_words_are_kept(space: Space) -> None:
    fallback = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    space.create(
        pod("file", "echo -n DONE >/dev/termination-log", spec=NEVER, securityContext={"runAsUser": 1000}),
        pod("other", "echo -n there >/end/log", spec=NEVER, terminationMessagePath="/end/log"),
        pod("logs", "echo said; exit 1", spec=NEVER, **fallback),
        pod("quiet", "echo said; exit 0", spec=NEVER, **fallback),
        pod("long", "head -c 9000 /dev/zero | tr '\\0' x >/dev/termination-log", spec=NEVER),
    )
    assert ended(space.phase("file", "Succeeded"))["message"] == "DONE"
    assert ended(space.phase("other", "Succeeded"))["message"] == "there"
    assert ended(space.phase("logs", "Failed"))["message"] == "said\n"
    assert "message" not in ended(space.phase("quiet", "Succeeded"))
    assert ended(space.phase("long", "Succeeded"))["message"] == "x" * 4096


def test_an_ephemeral_container_is_put_beside_the_others_and_sees_their_processes(space: Space) -> None:
    space.create(pod("web", "sleep 3600"))
    space.wait("web")
    words = ("debug", "web", f"--image={BUSYBOX_IMAGE}", "--target=c", "--container=dbg", "--profile=general")
    space.kubectl(*words, "--", "sh", "-c", "ps; echo seen; exit 5")
    until(lambda: space.container("web", "dbg")["state"].get("terminated", {}).get("exitCode") == 5)
    log = space.kubectl("logs", "web", "-c", "dbg")
    assert "sleep 3600" in log
    assert "seen" in log
    assert space.container("web")["restartCount"] == 0
    assert condition(space.pod("web"), "Ready")["status"] == "True"


def test_a_new_image_restarts_that_container_only(space: Space) -> None:
    space.cluster.docker("tag", BUSYBOX_IMAGE, "kube-actors-test/other:2")
    both = pod("web")
    both["spec"]["containers"].append(container("steady", "sleep 3600"))
    space.create(both)
    space.wait("web")
    steady = space.container("web", "steady")["containerID"]
    space.kubectl("set", "image", "pod/web", "c=kube-actors-test/other:2")
    until(lambda: space.container("web")["restartCount"] == 1 and space.container("web")["state"].get("running"))
    assert space.container("web")["image"] == "kube-actors-test/other:2"
    assert (space.container("web", "steady")["containerID"], space.container("web", "steady")["restartCount"]) == (
        steady,
        0,
    )
    assert any("definition changed, will be restarted" in text for text in space.events("web", "Killing"))


def test_the_status_says_what_runs_where_and_what_was_seen(space: Space) -> None:
    gates = {"readinessGates": [{"conditionType": "example.com/checked"}]}
    space.create(pod("web", resources={"limits": {"cpu": "100m", "memory": "32Mi"}}), pod("gated", spec=gates))
    space.wait("web")
    found = space.pod("web")
    status = found["status"]
    assert (status["phase"], status["qosClass"]) == ("Running", "Guaranteed")
    assert status["podIPs"] == [{"ip": status["podIP"]}]
    assert status["hostIPs"] == [{"ip": status["hostIP"]}]
    kinds = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
    assert sorted(each["type"] for each in status["conditions"]) == sorted(kinds)
    assert all(each["status"] == "True" for each in status["conditions"])
    assert space.container("web")["imageID"]
    assert space.container("web")["containerID"].startswith("docker://")
    space.wait("gated", "ContainersReady")
    ready = condition(space.pod("gated"), "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ReadinessGatesNotReady")
    checked = {"status": {"conditions": [{"type": "example.com/checked", "status": "True"}]}}
    space.kubectl("patch", "pod", "gated", "--subresource=status", "-p", json.dumps(checked))
    space.wait("gated")
    # Updates of what may change are counted, and the node says which it has seen.
    for number in range(5):
        space.kubectl("patch", "pod", "web", "-p", json.dumps({"spec": {"activeDeadlineSeconds": 1000 - number}}))
    wanted = space.pod("web")["metadata"]["generation"]
    assert wanted == 6
    until(lambda: space.pod("web")["status"].get("observedGeneration") == wanted)


def test_rules_of_a_container_and_hooks_over_http(space: Space) -> None:
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    ruled = container("c", "[ -f /shared/x ] && exit 7; touch /shared/x; exit 42", **MOUNT)
    ruled |= {"restartPolicy": "Never", "restartPolicyRules": [rule]}
    web = "mkdir -p /w; echo x > /w/stopping; httpd -f -v -p 80 -h /w"
    stopping = {"preStop": {"httpGet": {"port": 80, "path": "/stopping"}}}
    # Ill as soon as it serves, so that its end can be looked at.
    serving = {"exec": {"command": ["sh", "-c", "! wget -q -O /dev/null http://127.0.0.1/stopping"]}}
    once = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 5}
    graceful = {"terminationGracePeriodSeconds": 20}
    space.create(
        pod("ruled", spec=SHARED | NEVER | {"containers": [ruled]}),
        pod("http", web, spec=graceful, lifecycle=stopping, livenessProbe=serving | once),
        pod("told", lifecycle={"postStart": {"httpGet": {"port": 80, "path": "/", "host": "127.0.0.1"}}}),
    )
    # The first one who asked was the probe.
    until(lambda: space.kubectl("logs", "http", "--previous").count("response:200") >= 2)
    status = space.phase("ruled", "Failed")["status"]["containerStatuses"][0]
    assert (status["restartCount"], status["state"]["terminated"]["exitCode"]) == (1, 7)
    assert status["lastState"]["terminated"]["exitCode"] == 42
    # Nobody listens there.
    until(lambda: space.events("told", "FailedPostStartHook") == ["PostStartHook failed"])


@contextmanager
def proxied(space: Space) -> Iterator[Any]:
    """kubectl proxy: PATCH(path, merge patch)."""
    path = space.cluster.folder / "proxy.sock"
    with space.cluster.popen("kubectl", "proxy", f"--unix-socket={path}"):
        until(path.exists)
        connection = http.client.HTTPConnection("localhost")
        connection.sock = until(lambda: _connected(path))

        def patch(where: str, body: Any) -> Any:
            headers = {"Content-Type": "application/merge-patch+json"}
            connection.request("PATCH", where, json.dumps(body), headers)
            answer = connection.getresponse()
            content = json.loads(answer.read())
            assert answer.status == 200, content
            return content

        yield patch
        connection.close()


def _connected(path: Path) -> Any:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(30)
    made.connect(os.fspath(path))
    return made


def test_five_hundred_quick_updates_of_a_pod_are_all_seen_by_the_node(space: Space) -> None:
    space.create(pod("p"))
    space.wait("p")
    first = space.pod("p")["metadata"]["generation"]
    with proxied(space) as patch:
        for index in range(500):
            patch(f"/api/v1/namespaces/{space.name}/pods/p", {"spec": {"activeDeadlineSeconds": 100_000 - index}})
    made = space.pod("p")
    assert made["metadata"]["generation"] == first + 500
    until(lambda: space.pod("p")["status"]["observedGeneration"] == first + 500)
    assert space.container("p")["restartCount"] == 0
