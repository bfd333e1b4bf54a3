"""Calls over gRPC: their lines in the audit log, and their turns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.api import errors
from kube_actors.apiserver.audit.audit import Audit
from kube_actors.apiserver.config import AuditConfig, FairnessConfig
from kube_actors.apiserver.fairness import Fairness
from kube_actors.apiserver.grpc_api.auditing import Caller, Recorder, Wanted, address_of, pod_ref, recorded
from kube_actors.apiserver.grpc_api.callers import Callers
from kube_actors.apiserver.grpc_api.calls import Calls
from kube_actors.apiserver.grpc_api.session import Session
from kube_actors.apiserver.request import User
from kube_actors.rpc.pb import api_pb2 as pb

from .conftest import ADMIN

JANE = User("jane", ("system:authenticated",))
OF_JANE = Caller(JANE, JANE, "10.0.0.9", "test/1")
FOR_JANE = Caller(JANE, ADMIN, "10.0.0.9", "test/1")
OF_ADMIN = Caller(ADMIN, ADMIN)
RULES = [{"level": "None", "resources": [{"group": "", "resources": ["secrets"]}]}, {"level": "RequestResponse"}]
MAP = pb.Ref(version="v1", resource="configmaps", namespace="default")
NAMED = pb.Ref(version="v1", resource="configmaps", namespace="default", name="a")


class Log:
    """An audit log in a file, read when it is closed."""

    def __init__(self, folder: Path) -> None:
        (folder / "policy").write_text(
            json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": RULES})
        )  # fmt: skip
        self._path = folder / "audit.log"
        self.audit = Audit(AuditConfig(folder / "policy", self._path), LoopClock())
        self.recorder = Recorder(self.audit)

    async def lines(self) -> list[dict[str, Any]]:
        await self.audit.start()
        await self.audit.stop()
        return [json.loads(line) for line in self._path.read_text().splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def calls(api: Any, recorder: Recorder | None = None, fairness: Fairness | None = None) -> Calls:
    pipeline = api.pipeline
    return Calls(pipeline.operations, pipeline.resources, fairness or pipeline.fairness, recorder, LoopClock())


def stages(lines: Iterable[dict[str, Any]]) -> list[tuple[str, int | None]]:
    return [(line["stage"], line.get("responseStatus", {}).get("code")) for line in lines]


async def test_a_call_is_in_the_audit_log_as_the_request_that_it_stands_for(api, log):
    body = b'{"metadata":{"name":"a"},"data":{"k":"v"}}'
    await calls(api, log.recorder).run("create", pb.CreateRequest(ref=MAP, object=body), OF_ADMIN)
    received, complete = await log.lines()
    assert stages((received, complete)) == [("RequestReceived", None), ("ResponseComplete", 201)]
    assert received["auditID"] == complete["auditID"]
    assert complete["verb"] == "create"
    assert complete["user"]["username"] == "admin"
    assert complete["requestURI"] == "/api/v1/namespaces/default/configmaps"
    assert complete["objectRef"] == {"resource": "configmaps", "namespace": "default", "apiVersion": "v1"}
    assert complete["requestObject"] == json.loads(body)
    assert complete["responseObject"]["metadata"]["uid"]


async def test_a_refusal_says_why_and_who_somebody_acted_as(api, log):
    with pytest.raises(errors.Forbidden):
        await calls(api, log.recorder).run("get", pb.GetRequest(ref=NAMED), FOR_JANE)
    complete = (await log.lines())[-1]
    assert complete["user"]["username"] == "admin"
    assert complete["impersonatedUser"]["username"] == "jane"
    assert complete["sourceIPs"] == ["10.0.0.9"]
    assert complete["userAgent"] == "test/1"
    assert complete["responseStatus"]["code"] == 403
    assert complete["responseStatus"]["reason"] == "Forbidden"
    assert complete["responseObject"]["kind"] == "Status"


async def test_what_the_policy_leaves_out_is_not_in_the_log(api, log):
    secret = pb.Ref(version="v1", resource="secrets", namespace="default")
    body = b'{"metadata":{"name":"a"}}'
    await calls(api, log.recorder).run("create", pb.CreateRequest(ref=secret, object=body), OF_ADMIN)
    assert await log.lines() == []


async def test_what_is_not_served_is_in_the_log_too(api, log):
    ref = pb.Ref(group="no.such", version="v1", resource="things", name="x", subresource="status")
    with pytest.raises(errors.NotFound):
        await calls(api, log.recorder).run("delete", pb.DeleteRequest(ref=ref), OF_ADMIN)
    complete = (await log.lines())[-1]
    assert complete["requestURI"] == "/apis/no.such/v1/things/x/status"
    assert complete["responseStatus"]["code"] == 404


async def test_a_stream_has_the_stage_of_its_start_and_ends_well_when_its_client_leaves(log):
    wanted = Wanted("watch", MAP, query=(("labelSelector", "a=b"), ("fieldSelector", ""), ("watch", "true")))

    def watch_of_a_client_that_leaves() -> None:
        with recorded(log.recorder, OF_JANE, wanted) as record:
            record.started()
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        watch_of_a_client_that_leaves()
    lines = await log.lines()
    assert stages(lines) == [("RequestReceived", None), ("ResponseStarted", 200), ("ResponseComplete", 200)]
    assert lines[0]["requestURI"] == "/api/v1/namespaces/default/configmaps?labelSelector=a%3Db&watch=true"


async def test_a_call_whose_client_did_not_wait_was_not_answered(log):
    with pytest.raises(asyncio.CancelledError), recorded(log.recorder, OF_JANE, Wanted("get", NAMED)):
        raise asyncio.CancelledError
    assert stages(await log.lines())[-1] == ("ResponseComplete", 504)


async def test_a_failure_of_the_server_is_a_500_that_keeps_its_details(log):
    with pytest.raises(ZeroDivisionError), recorded(log.recorder, OF_JANE, Wanted("create", pod_ref("d", "p", "exec"))):
        raise ZeroDivisionError
    complete = (await log.lines())[-1]
    assert complete["responseStatus"]["code"] == 500
    assert complete["objectRef"]["subresource"] == "exec"


class Dialled:
    """A call as the server sees it."""

    identity = None
    peer = "ipv4:10.0.0.9:4711"

    def __init__(self, **metadata: str) -> None:
        self.metadata = {name.replace("_", "-"): value for name, value in metadata.items()}


@pytest.mark.parametrize(
    ("metadata", "refusal", "name"),
    [
        ({"authorization": "Bearer wrong"}, errors.Unauthorized, ""),
        ({"impersonate_user": "root"}, errors.Forbidden, "system:anonymous"),
    ],
)
async def test_who_is_not_who_he_says_is_in_the_log(api, log, metadata, refusal, name):
    callers = Callers(api.pipeline.identify, api.pipeline.authorizer, log.recorder)
    with pytest.raises(refusal):
        callers.of(Dialled(user_agent="test/1", **metadata), lambda: Wanted("post", path="/session"))
    complete = (await log.lines())[-1]
    assert complete["user"].get("username", "") == name
    assert complete["requestURI"] == "/session"
    assert complete["userAgent"] == "test/1"
    assert complete["responseStatus"]["code"] == refusal.code


def test_the_address_of_a_peer_is_without_its_port():
    assert address_of("ipv4:10.0.0.1:33") == "10.0.0.1"
    assert address_of("ipv6:%5B::1%5D:33") == "::1"
    assert address_of("unix:/tmp/socket") == ""


@pytest.mark.looptime
async def test_a_unary_call_waits_for_its_turn_and_is_refused_when_it_waits_too_long(api):
    fairness = Fairness(FairnessConfig(seats=1, queue=1, patience=1.0))
    asking = calls(api, fairness=fairness)
    async with fairness.turn(User("joe"), "pods"):
        with pytest.raises(errors.TooManyRequests):
            await asking.run("get", pb.GetRequest(ref=NAMED), OF_JANE)
        for caller in (OF_ADMIN, Caller(User("system:kube-controller-manager"), JANE)):
            with pytest.raises((errors.NotFound, errors.Forbidden)):
                await asking.run("get", pb.GetRequest(ref=NAMED), caller)
    with pytest.raises(errors.Forbidden):
        await asking.run("get", pb.GetRequest(ref=NAMED), OF_JANE)
    assert fairness.workload.taken == 0


@pytest.mark.looptime
async def test_a_busy_server_slows_a_session_down_and_refuses_none_of_its_calls(api):
    fairness = Fairness(FairnessConfig(seats=1, queue=4, patience=15.0))
    session = Session(calls(api, fairness=fairness), OF_JANE, fairness.at_once(JANE, 2048))
    asked = [pb.Call(id=number, get=pb.GetRequest(ref=NAMED)) for number in range(50)]

    async def requests():
        yield pb.SessionRequest(calls=asked)

    async def answers() -> list[pb.Answer]:
        return [answer async for message in session.answers(requests()) for answer in message.answers]

    async with asyncio.TaskGroup() as group, fairness.turn(User("joe"), "pods"):
        answered = group.create_task(answers())
        await asyncio.sleep(5)
        assert fairness.workload.waiting == 4
    refusals = [json.loads(answer.status) for answer in answered.result()]
    assert len(refusals) == 50
    assert {one["reason"] for one in refusals} == {"Forbidden"}


def test_who_never_waits_has_a_whole_session():
    fairness = Fairness(FairnessConfig(queue=4))
    assert fairness.at_once(ADMIN, 2048) == fairness.at_once(User("system:kube-scheduler"), 2048) == 2048
    assert fairness.at_once(JANE, 2048) == fairness.at_once(User("n", ("system:nodes",)), 2048) == 4
