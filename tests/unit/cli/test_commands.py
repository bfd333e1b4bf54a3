"""get, apply, delete, wait, rollout, describe over a cluster in memory."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kube_actors.api.errors import Cause, Forbidden, invalid
from kube_actors.api.resources import CONFIGMAPS, DEPLOYMENTS, PODS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.cluster import record
from kube_actors_cli import apply, delete, describe, get, main, rollout, wait
from kube_actors_cli.failure import Failure
from kube_actors_cli.waiting import Condition

# The client of conftest.py; with importmode=importlib a test cannot import it by name.
CommandClient = FakeKubeClient
Parse = Callable[..., argparse.Namespace]


def _pod(name: str, namespace: str = "default", **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "c"}]}}


def _config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": data}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(*objects: dict[str, Any]) -> str:
        path = tmp_path / "f.yaml"
        path.write_text("\n---\n".join(json.dumps(obj) for obj in objects))
        return str(path)

    return write


async def test_get_prints_the_servers_table(client: CommandClient, parse: Parse, capsys: Any) -> None:
    client.put(_pod("web"))
    assert await get.get(parse("get", "po")) == 0
    assert capsys.readouterr().out == "NAME   KIND\nweb    Pod\n"


async def test_get_of_nothing_says_where(client: CommandClient, parse: Parse, capsys: Any) -> None:
    assert await get.get(parse("get", "pods")) == 0
    assert await get.get(parse("get", "pods", "-A")) == 0
    assert await get.get(parse("get", "nodes")) == 0
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.splitlines() == ["No resources found in default namespace."] + ["No resources found"] * 2


async def test_get_of_several_types_prints_blocks_with_types(client: CommandClient, parse: Parse, capsys: Any) -> None:
    client.put(_pod("web"))
    client.put({**_config_map(a="b"), "metadata": {"name": "cm", "namespace": "default"}})
    await get.get(parse("get", "pods,cm,svc"))
    assert capsys.readouterr().out == "NAME      KIND\npod/web   Pod\n\nNAME           KIND\nconfigmap/cm   ConfigMap\n"


async def test_get_of_a_missing_object_is_kubectls_line(client: CommandClient, parse: Parse, capsys: Any) -> None:
    client.put(_pod("web"))
    assert await get.get(parse("get", "pods", "web", "gone")) == 1
    found = capsys.readouterr()
    assert found.err == 'Error from server (NotFound): pods "gone" not found\n'
    assert "web" in found.out


async def test_get_as_documents(client: CommandClient, parse: Parse, capsys: Any) -> None:
    client.put(_pod("web", app="a"))
    await get.get(parse("get", "pod", "web", "-o", "json"))
    assert json.loads(capsys.readouterr().out)["metadata"]["name"] == "web"
    await get.get(parse("get", "pods", "-l", "app=a", "-o", "json"))
    listed = json.loads(capsys.readouterr().out)
    assert (listed["kind"], listed["items"][0]["kind"]) == ("List", "Pod")
    await get.get(parse("get", "pods", "-o", "name"))
    assert capsys.readouterr().out == "pod/web\n"
    await get.get(parse("get", "pods", "-o", "jsonpath={.items[*].metadata.name}"))
    assert capsys.readouterr().out == "web"


async def test_an_unknown_format_is_one_line(client: CommandClient, parse: Parse) -> None:
    with pytest.raises(Failure, match='unable to match a printer suitable for the output format "xml"'):
        await get.get(parse("get", "pods", "-o", "xml"))


async def test_apply_creates_then_leaves_then_configures(
    client: CommandClient, parse: Parse, write: Callable[..., str], capsys: Any
) -> None:
    for data, verb in (({"a": "1"}, "created"), ({"a": "1"}, "unchanged"), ({"b": "2"}, "configured")):
        assert await apply.apply(parse("apply", "-f", write(_config_map(**data)))) == 0
        assert capsys.readouterr().out == f"configmap/cm {verb}\n"
    stored = client.peek(CONFIGMAPS, "default/cm")
    assert stored is not None
    # What was taken out of the file is gone.
    assert stored["data"] == {"b": "2"}


async def test_apply_keeps_what_others_set(client: CommandClient, parse: Parse, write: Callable[..., str]) -> None:
    await apply.apply(parse("apply", "-f", write(_config_map(a="1"))))
    await client.patch(CONFIGMAPS, "cm", {"data": {"theirs": "x"}}, "default")
    await apply.apply(parse("apply", "-f", write(_config_map(a="2"))))
    stored = client.peek(CONFIGMAPS, "default/cm")
    assert stored is not None
    assert stored["data"] == {"a": "2", "theirs": "x"}


async def test_the_annotation_is_kubectls(client: CommandClient, parse: Parse, write: Callable[..., str]) -> None:
    await apply.apply(parse("apply", "-f", write(_config_map(a="1"))))
    stored = client.peek(CONFIGMAPS, "default/cm")
    assert stored is not None
    assert stored["metadata"]["annotations"][apply.ANNOTATION] == (
        '{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap",'
        '"metadata":{"annotations":{},"name":"cm","namespace":"default"}}\n'
    )


async def test_server_side_apply_sends_the_file_as_it_is(
    client: CommandClient, parse: Parse, write: Callable[..., str], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[Any, ...]] = []

    async def patch(resource: Any, name: str, patch: Any, namespace: str, **how: Any) -> Any:
        sent.append((name, namespace, patch["data"], how["type"], how["field_manager"], how["force"]))
        return patch

    monkeypatch.setattr(client, "patch", patch)
    words = ("apply", "--server-side", "--force-conflicts", "--field-manager=me", "-f", write(_config_map(a="1")))
    assert await apply.apply(parse(*words)) == 0
    assert sent == [("cm", "default", {"a": "1"}, "application/apply-patch+yaml", "me", True)]
    assert capsys.readouterr().out == "configmap/cm serverside-applied\n"
    with pytest.raises(Failure, match="--force-conflicts only works with --server-side"):
        await apply.apply(parse("apply", "--force-conflicts", "-f", write(_config_map(a="1"))))


async def test_one_object_that_fails_does_not_keep_the_others(
    client: CommandClient, parse: Parse, write: Callable[..., str], capsys: Any
) -> None:
    client.fail("create", PODS, Forbidden("no pods today"))
    unknown = {"apiVersion": "x/v1", "kind": "Widget", "metadata": {"name": "w"}}
    assert await apply.apply(parse("apply", "-f", write(_pod("web"), unknown, _config_map(a="1")))) == 1
    found = capsys.readouterr()
    assert found.out == "configmap/cm created\n"
    refused, unmapped = found.err.splitlines()
    assert refused.startswith('Error from server (Forbidden): error when applying "')
    assert 'no matches for kind "Widget"' in unmapped


async def test_a_dry_run_writes_nothing(
    client: CommandClient, parse: Parse, write: Callable[..., str], capsys: Any
) -> None:
    await apply.apply(parse("apply", "--dry-run=client", "-f", write(_config_map(a="1"))))
    assert capsys.readouterr().out == "configmap/cm created (dry run)\n"
    assert client.writes == []


async def test_file_and_flag_must_agree_on_the_namespace(
    client: CommandClient, parse: Parse, write: Callable[..., str], capsys: Any
) -> None:
    assert await apply.apply(parse("apply", "-n", "b", "-f", write(_pod("web", "a")))) == 1
    assert 'the namespace from the provided object "a" does not match the namespace "b"' in capsys.readouterr().err


async def test_delete_says_what_is_gone(client: CommandClient, parse: Parse, capsys: Any) -> None:
    client.put(_pod("web"))
    assert await delete.delete(parse("delete", "pod", "web")) == 0
    assert capsys.readouterr().out == 'pod "web" deleted from default namespace\n'
    assert await delete.delete(parse("delete", "pod", "web")) == 1
    assert capsys.readouterr().err == 'Error from server (NotFound): pods "web" not found\n'
    assert await delete.delete(parse("delete", "pod", "web", "--ignore-not-found")) == 0


async def test_delete_waits_until_finalizers_are_done(client: CommandClient, parse: Parse) -> None:
    client.put({**_pod("web"), "metadata": {"name": "web", "namespace": "default", "finalizers": ["x/y"]}})
    waiting = asyncio.get_running_loop().create_task(delete.delete(parse("delete", "pod", "web")))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    client.remove(PODS, "default/web")
    assert await asyncio.wait_for(waiting, 5) == 0


async def test_delete_needs_a_choice(client: CommandClient, parse: Parse) -> None:
    with pytest.raises(Failure, match="no name was specified"):
        await delete.delete(parse("delete", "pods"))
    client.put(_pod("a"))
    client.put(_pod("b"))
    assert await delete.delete(parse("delete", "pods", "--all")) == 0
    assert client.objects(PODS) == []


async def test_wait_returns_when_the_condition_holds(client: CommandClient, parse: Parse, capsys: Any) -> None:
    client.put(_pod("web"))
    command = wait.wait(parse("wait", "--for=condition=Ready", "pod/web"))
    waiting = asyncio.get_running_loop().create_task(command)
    await asyncio.sleep(0.05)
    client.put({**_pod("web"), "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    assert await asyncio.wait_for(waiting, 5) == 0
    assert capsys.readouterr().out == "pod/web condition met\n"


@pytest.mark.looptime
async def test_wait_ends_at_its_limit(client: CommandClient, parse: Parse) -> None:
    client.put(_pod("web"))
    with pytest.raises(Failure, match=r"^error: timed out waiting for the condition on pods/web$"):
        await wait.wait(parse("wait", "--for=jsonpath={.status.phase}=Running", "pod/web", "--timeout=5s"))


async def test_wait_for_deletion_of_what_is_not_there_is_done(client: CommandClient, parse: Parse) -> None:
    assert await wait.wait(parse("wait", "--for=delete", "pod/gone")) == 0


@pytest.mark.parametrize(
    ("status", "holds"),
    [
        ({}, False),
        ({"conditions": [{"type": "Available", "status": "False"}]}, False),
        ({"conditions": [{"type": "Available", "status": "True"}]}, True),
        ({"observedGeneration": 1, "conditions": [{"type": "Available", "status": "True"}]}, False),
    ],
)
def test_a_condition_counts_for_the_newest_spec_only(status: dict[str, Any], holds: bool) -> None:
    obj = {"metadata": {"generation": 2}, "status": status}
    assert Condition("available").holds(obj) is holds


@pytest.mark.parametrize(
    ("status", "text", "finished"),
    [
        ({"observedGeneration": 0}, "Waiting for deployment spec update to be observed...", False),
        ({"updatedReplicas": 1}, "rollout to finish: 1 out of 3 new replicas have been updated...", False),
        ({"updatedReplicas": 3, "replicas": 4}, "rollout to finish: 1 old replicas are pending termination...", False),
        (
            {"updatedReplicas": 3, "replicas": 3, "availableReplicas": 2},
            "rollout to finish: 2 of 3 updated replicas are available...",
            False,
        ),
        ({"updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}, "successfully rolled out", True),
    ],
)
def test_a_rollout_is_told_in_kubectls_words(status: dict[str, Any], text: str, finished: bool) -> None:
    obj = {"metadata": {"name": "web", "generation": 1}, "spec": {"replicas": 3}}
    line, done = rollout.stage({**obj, "status": {"observedGeneration": 1, **status}})
    assert text in line
    assert done is finished


def test_a_rollout_that_took_too_long_is_a_failure() -> None:
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    obj = {"metadata": {"name": "web"}, "status": {"conditions": [condition]}}
    with pytest.raises(Failure, match=r'^error: deployment "web" exceeded its progress deadline$'):
        rollout.stage(obj)


async def test_rollout_status_is_for_deployments(client: CommandClient, parse: Parse) -> None:
    with pytest.raises(Failure, match="no status viewer has been implemented for Pod"):
        await rollout.status(parse("rollout", "status", "pod/web"))
    with pytest.raises(Exception, match=r'deployments\.apps "gone" not found'):
        await rollout.status(parse("rollout", "status", "deploy/gone"))


class _Clock:
    def now(self) -> float:
        return 1_700_000_000.0

    async def sleep(self, seconds: float) -> None: ...


async def test_describe_shows_the_object_and_its_events(client: CommandClient, parse: Parse, capsys: Any) -> None:
    pod = client.put(_pod("web", app="a"))
    client.put(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "e", "namespace": "default"},
            "involvedObject": {"name": "web", "kind": "Pod", "uid": pod["metadata"]["uid"]},
            "type": "Normal",
            "reason": "Scheduled",
            "message": "Successfully assigned",
            "lastTimestamp": "2023-11-14T22:13:10Z",
            "source": {"component": "default-scheduler"},
        }
    )
    assert await describe.describe(parse("describe", "pod", "web"), _Clock()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Name:             web"
    assert "Labels:           app=a" in lines
    assert lines[-1] == "  Normal  Scheduled  10s   default-scheduler  Successfully assigned"


async def test_every_kind_can_be_described(client: CommandClient, parse: Parse, capsys: Any) -> None:
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace"},
        {"apiVersion": "v1", "kind": "Node"},
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}},
        {"apiVersion": "v1", "kind": "Secret", "data": {"k": "aHVudGVyMg=="}},
        {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
        {"apiVersion": "v1", "kind": "ServiceAccount"},
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": []}}}},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {"selector": {"matchLabels": {"a": "b"}}}},
        {"apiVersion": "batch/v1", "kind": "Job", "spec": {"parallelism": 2}},
    ]
    for obj in objects:
        scoped = {} if obj["kind"] in ("Namespace", "Node") else {"namespace": "default"}
        client.put({**obj, "metadata": {"name": "x", **scoped}})
        assert await describe.describe(parse("describe", obj["kind"].lower(), "x"), _Clock()) == 0
    text = capsys.readouterr().out
    assert "hunter2" not in text
    assert "aHVudGVyMg==" not in text
    assert "k:  7 bytes" in text
    assert "Parallelism:  2" in text


def test_without_a_cluster_every_command_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any, write: Callable[..., str]
) -> None:
    monkeypatch.setenv("KUBE_ACTORS_HOME", str(tmp_path / "home"))
    commands = ["get pods", "describe pod x", "logs x", "delete pod x", "status", "down", "token", "kubeconfig"]
    commands += ["rollout status deploy/x", "wait --for=delete pod/x", f"apply -f {write(_pod('a'))}"]
    for command in commands:
        assert main.main(command.split()) == 1, command
        found = capsys.readouterr()
        assert found.err == "no cluster is running here; start one with 'kactl up'\n", command
        assert found.out == "", command
    assert record.read(record.ClusterPaths(tmp_path / "home" / "default")) is None


def test_a_wrong_command_line_is_one_line_and_exit_code_1(capsys: Any) -> None:
    for words in (["frobnicate"], ["get", "--bogus"], ["up", "--runtime", "podman"], ["wait", "pod/x"], []):
        with pytest.raises(SystemExit) as caught:
            main.main(words)
        assert caught.value.code == 1
        assert capsys.readouterr().err.count("\n") == 1


def test_an_invalid_object_is_told_as_kubectl_does(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    causes = [Cause("FieldValueInvalid", 'Invalid value: "x"', "spec.a"), Cause("FieldValueRequired", "Required", "b")]
    error = invalid("Deployment", "apps", "web", causes)

    def fails(_: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(main, "run_parsed", fails)
    assert main.main(["version"]) == 1
    line = 'The Deployment "web" is invalid: * spec.a: Invalid value: "x"; * b: Required\n'
    assert capsys.readouterr().err == line


def test_a_programming_error_is_no_traceback(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: argparse.Namespace) -> int:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(main, "run_parsed", fails)
    assert main.main(["version"]) == 1
    assert capsys.readouterr().err == "error: first second\n"


def test_a_patch_for_lists_is_by_merge_key() -> None:
    def deployment(*containers: dict[str, str]) -> dict[str, Any]:
        spec = {"template": {"spec": {"containers": list(containers)}}}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}

    current = apply.with_last_applied(deployment({"name": "a", "image": "1"}, {"name": "b", "image": "1"}))
    wanted = apply.with_last_applied(deployment({"name": "a", "image": "2"}, {"name": "b", "image": "1"}))
    change, kind = apply.plan_patch(DEPLOYMENTS, wanted, current)
    assert kind == "application/strategic-merge-patch+json"
    containers = change["spec"]["template"]["spec"]["containers"]
    assert [each for each in containers if each.get("image")] == [{"name": "a", "image": "2"}]
