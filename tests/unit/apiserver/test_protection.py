"""Encryption at rest, the audit log, fair turns, tokens for joining."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.aio.clock import LoopClock, rfc3339
from kube_actors.api import errors
from kube_actors.api.errors import ConfigError
from kube_actors.api.resources import NAMESPACES, SECRETS
from kube_actors.apiserver.audit import policy
from kube_actors.apiserver.audit.audit import Audit
from kube_actors.apiserver.audit.policy import LEVELS, Asked
from kube_actors.apiserver.authn import BadToken
from kube_actors.apiserver.config import AuditConfig, EncryptionConfig, FairnessConfig
from kube_actors.apiserver.encryption.storage import Encryption
from kube_actors.apiserver.encryption.transform import PREFIX, Transformer, Unreadable
from kube_actors.apiserver.fairness import Fairness
from kube_actors.apiserver.request import User
from kube_actors.store.errors import RevisionConflict

from .conftest import MemoryStorage

OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)
ROOT = User("root", ("system:masters",))
JANE, JOE = User("jane", ("system:authenticated",)), User("joe", ("system:authenticated",))
NODE = User("system:node:n1", ("system:nodes",))
KEY = b"/registry/secrets/default/a"


@given(st.binary(max_size=200))
def test_what_was_sealed_is_opened_and_nothing_else(value):
    transformer = Transformer([NEW, OLD])
    sealed = transformer.seal(KEY, value)
    assert sealed.startswith(PREFIX + b"new:")
    assert transformer.open(KEY, sealed) == value
    with pytest.raises(Unreadable):
        transformer.open(b"/registry/secrets/default/b", sealed)
    with pytest.raises(Unreadable):
        transformer.open(KEY, sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_keys_are_exchanged_by_their_order():
    before, after, without = Transformer([OLD]), Transformer([NEW, OLD]), Transformer([("identity", b""), NEW])
    sealed = before.seal(KEY, b"x")
    assert after.open(KEY, sealed) == b"x"
    assert not after.is_current(sealed)
    assert after.is_current(after.seal(KEY, b"x"))
    assert without.seal(KEY, b"x") == b"x"
    assert not without.is_current(after.seal(KEY, b"x"))
    with pytest.raises(Unreadable, match="no matching key"):
        Transformer([NEW]).open(KEY, sealed)
    with pytest.raises(ConfigError, match="must have 16, 24 or 32"):
        Transformer([("bad", b"x")])


async def test_only_chosen_resources_are_encrypted_and_readers_see_them_plain():
    raw = MemoryStorage()
    encrypted = Encryption(raw, EncryptionConfig(("secrets",), (NEW,))).storage
    revision = await encrypted.put(KEY, b'{"a":1}', expected_revision=0)
    await encrypted.put(b"/registry/configmaps/default/a", b"{}")
    assert raw.state()[KEY].value.startswith(PREFIX)
    assert raw.state()[b"/registry/configmaps/default/a"].value == b"{}"
    found, _ = await encrypted.get(KEY)
    assert found.value == b'{"a":1}'
    assert [kv.value for kv in (await encrypted.range(b"/registry/secrets/")).kvs] == [b'{"a":1}']
    async for batch in encrypted.watch(b"/registry/", 0):
        assert [event.kv.value for event in batch.events] == [b'{"a":1}', b"{}"]
        break
    with pytest.raises(RevisionConflict) as conflict:
        await encrypted.put(KEY, b"{}", expected_revision=revision + 7)
    assert conflict.value.current.value == b'{"a":1}'
    other = Encryption(raw, EncryptionConfig(("secrets",), (OLD,))).storage
    with pytest.raises(
        errors.InternalError, match=r'unable to transform key "/registry/secrets/default/a": no matching'
    ):
        await other.get(KEY)
    with pytest.raises(ConfigError, match="is no resource"):
        Encryption(raw, EncryptionConfig(("secretz",), (OLD,)))


async def test_after_a_change_of_keys_everything_is_written_with_the_new_one():
    raw = MemoryStorage()
    await raw.put(b"/registry/secrets/default/plain", b"{}")
    await Encryption(raw, EncryptionConfig(("secrets",), (OLD,))).storage.put(KEY, b"{}")
    changed = Encryption(raw, EncryptionConfig(("secrets",), (NEW, OLD)))
    await changed.rewrite()
    assert all(kv.value.startswith(PREFIX + b"new:") for kv in raw.state().values())
    writes = raw.writes
    await changed.rewrite()
    assert raw.writes == writes
    assert (await Encryption(raw, EncryptionConfig(("secrets",), (NEW,))).storage.get(KEY))[0].value == b"{}"


POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:kube-proxy"], "verbs": ["watch"]},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets", "pods/log"]}]},
        {"level": "Request", "namespaces": ["shop"], "resources": [{"group": "apps"}]},
        {"level": "None", "nonResourceURLs": ["/healthz*", "/version"]},
        {"level": "RequestResponse", "resources": [{"group": "", "resources": ["configmaps"], "resourceNames": ["a"]}]},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["*/status"]}]},
        {"level": "Metadata", "userGroups": ["ops"]},
    ],
}


@pytest.mark.parametrize(
    ("asked", "level"),
    [
        (Asked(User("system:kube-proxy"), "watch", "", "services"), "None"),
        (Asked(JANE, "get", "", "secrets", "", "default", "x"), "Metadata"),
        (Asked(JANE, "get", "", "pods", "log"), "Metadata"),
        (Asked(JANE, "get", "", "pods"), "None"),
        (Asked(JANE, "create", "apps", "deployments", "", "shop"), "Request"),
        (Asked(JANE, "create", "apps", "deployments", "", "other"), "None"),
        (Asked(JANE, "get", path="/healthz/etcd"), "None"),
        (Asked(JANE, "update", "", "configmaps", "", "x", "a"), "RequestResponse"),
        (Asked(JANE, "update", "", "nodes", "status", "", "n"), "Metadata"),
        (Asked(User("x", ("ops",)), "get", path="/metrics"), "Metadata"),
    ],
)
def test_the_first_rule_that_matches_decides(asked, level):
    assert LEVELS[policy.parse(POLICY, "p").decide(asked).level] == level


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "Other"}, "must be a Policy"),
        ({"rules": []}, "at least one rule"),
        ({"rules": [{"level": "Most"}]}, r"rules\[0\].level: must be one of None, Metadata"),
        ({"rules": [{"level": "None", "who": []}]}, "unknown key who"),
        ({"rules": [{"level": "None", "verbs": "get"}]}, "must be a list of texts"),
        ({"omitStages": ["Never"]}, "omitStages: must be of"),
    ],
)
def test_a_policy_that_cannot_be_is_one_clear_line(change, words):
    with pytest.raises(ConfigError, match=words):
        policy.parse(POLICY | change, "p")


async def test_events_are_lines_of_json_and_a_full_file_is_put_aside(tmp_path):
    (tmp_path / "policy.yaml").write_text(json.dumps(POLICY))
    log = tmp_path / "audit.log"
    audit = Audit(AuditConfig(tmp_path / "policy.yaml", log, max_bytes=2000, max_backups=2), LoopClock())
    await audit.start()
    asked = Asked(JANE, "update", "", "configmaps", "", "default", "a")
    for _ in range(20):
        event = audit.begin(asked, identifier="i", uri="/x", source="::1", agent="test", version="v1")
        event.request_body = b'{"data":{}}'
        audit.end(event, 403, b'{"kind":"Status"}', {"status": "Failure", "reason": "Forbidden", "message": "m"})
    assert audit.begin(Asked(JANE, "get", "", "pods"), identifier="j", uri="", source="", agent="", version="") is None
    await audit.stop()
    assert len(list(tmp_path.glob("audit-*.log"))) == 2
    line = json.loads(log.read_text().splitlines()[-1])
    assert line["stage"] == "ResponseComplete"
    assert line["level"] == "RequestResponse"
    assert line["user"] == {"username": "jane", "groups": ["system:authenticated"]}
    assert line["objectRef"] == {"resource": "configmaps", "namespace": "default", "name": "a", "apiVersion": "v1"}
    assert line["responseStatus"] == {
        "metadata": {}, "status": "Failure", "message": "m", "reason": "Forbidden", "code": 403
    }  # fmt: skip
    assert line["requestObject"] == {"data": {}}


@pytest.mark.looptime
async def test_a_storm_of_one_user_delays_neither_a_lease_nor_another_user():
    fairness = Fairness(FairnessConfig(seats=4, system_seats=4, queue=50, patience=10.0))
    order: list[str] = []

    async def ask(user: User, resource: str, seconds: float, objects: int = 0) -> None:
        async with fairness.turn(user, resource, objects):
            order.append(user.name)
            await asyncio.sleep(seconds)

    async with asyncio.TaskGroup() as group:
        storm = [group.create_task(ask(JANE, "pods", 1.0, objects=100_000)) for _ in range(20)]
        await asyncio.sleep(0.5)
        renewed = asyncio.get_running_loop().time()
        await ask(NODE, "leases", 0.0)
        await ask(JANE, "leases", 0.0)
        await ask(ROOT, "pods", 0.0)
        assert asyncio.get_running_loop().time() == renewed
        group.create_task(ask(JOE, "pods", 0.1))
        await asyncio.sleep(2.0)
        # Joe came when the first of Jane's twenty lists ran, each of which takes all seats; he waits for one more.
        assert order == ["jane", NODE.name, "jane", "root", "jane", "joe", "jane"]
        for task in storm:
            task.cancel()
    assert fairness.workload.taken == fairness.workload.waiting == 0


@pytest.mark.looptime
async def test_who_waits_too_long_or_in_too_long_a_queue_is_told_to_come_back():
    fairness = Fairness(FairnessConfig(seats=1, queue=2, patience=1.0))
    refused: list[errors.TooManyRequests] = []

    async def ask() -> None:
        try:
            async with fairness.turn(JANE, "pods"):
                await asyncio.sleep(5.0)
        except errors.TooManyRequests as error:
            refused.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(ask())
    assert len(refused) == 4
    assert all(error.retry_after == 1 for error in refused)
    assert fairness.workload.taken == 0
    assert fairness.workload.waiting == 0


@pytest.mark.looptime
async def test_a_token_for_joining_is_good_until_its_time(api):
    await api.create(NAMESPACES, {"metadata": {"name": "kube-system"}})
    now = LoopClock().now()
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "expiration": rfc3339(now + 100),
        "auth-extra-groups": "system:bootstrappers:mine",
    }
    secret = {"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token"}
    await api.create(SECRETS, {**secret, "stringData": data}, namespace="kube-system")
    await api.pipeline.cache.fresh()
    holder = api.pipeline.authenticator.token_holder("abcdef.0123456789abcdef")
    assert holder.user.name == "system:bootstrap:abcdef"
    assert holder.user.groups == ("system:bootstrappers", "system:bootstrappers:mine", "system:authenticated")
    for wrong in ("abcdef.0123456789abcdee", "abcdeg.0123456789abcdef"):
        with pytest.raises(BadToken):
            api.pipeline.authenticator.token_holder(wrong)
    await asyncio.sleep(101)
    with pytest.raises(BadToken):
        api.pipeline.authenticator.token_holder("abcdef.0123456789abcdef")
