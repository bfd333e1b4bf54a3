"""The real etcdctl is the judge: our store and etcd give it the same answers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

ETCDCTL = shutil.which("etcdctl")
pytestmark = pytest.mark.skipif(ETCDCTL is None, reason="no etcdctl on PATH (Debian: etcd-client)")


class Ctl:
    def __init__(self, address: str) -> None:
        self._address = address
        self.code = 0

    def command(self, *arguments: str) -> tuple[str, ...]:
        return (ETCDCTL or "etcdctl", "--endpoints", self._address, *arguments)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *self.command(*arguments), stdin=pipe, stdout=pipe, stderr=pipe, env=os.environ | {"ETCDCTL_API": "3"}
        )

    async def __call__(self, *arguments: str, stdin: str = "") -> str:
        process = await self.start(*arguments)
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 20)
        self.code = process.returncode or 0
        return out.decode() + err.decode()

    async def json(self, *arguments: str, stdin: str = "") -> Any:
        return json.loads(await self(*arguments, "-w", "json", stdin=stdin))


@pytest.fixture
def ctl(address: str) -> Ctl:
    return Ctl(address)


async def read(process: asyncio.subprocess.Process, expected: str) -> str:
    """As much output as is expected, or what there is after some seconds."""
    assert process.stdout is not None
    found = b""
    try:
        async with asyncio.timeout(5):
            while len(found) < len(expected):
                found += await process.stdout.read(len(expected) - len(found))
    except TimeoutError:
        pass
    return found.decode()


async def test_put_and_get(ctl: Ctl) -> None:
    assert await ctl("put", "a", "1") == "OK\n"
    assert await ctl("put", "a", "2", "--prev-kv") == "OK\na\n1\n"
    assert await ctl("put", "b", "3") == "OK\n"
    assert await ctl("get", "a") == "a\n2\n"
    assert await ctl("get", "a", "--print-value-only") == "2\n"
    assert await ctl("get", "missing") == ""
    answer = await ctl.json("get", "a")
    assert answer["kvs"][0]["version"] == 2
    assert answer["kvs"][0]["create_revision"] == answer["kvs"][0]["mod_revision"] - 1
    assert answer["header"]["revision"] == answer["kvs"][0]["mod_revision"] + 1


async def test_get_options(ctl: Ctl) -> None:
    for key, value in (("k/1", "c"), ("k/2", "a"), ("k/3", "b"), ("k/1", "d")):
        await ctl("put", key, value)
    assert await ctl("get", "k/", "--prefix", "--keys-only") == "k/1\n\nk/2\n\nk/3\n\n"
    assert await ctl("get", "k/1", "k/3") == "k/1\nd\nk/2\na\n"
    assert await ctl("get", "k/2", "--from-key") == "k/2\na\nk/3\nb\n"
    assert await ctl("get", "k/", "--prefix", "--sort-by=VALUE", "--order=DESCEND", "--print-value-only") == "d\nb\na\n"
    assert await ctl("get", "k/", "--prefix", "--sort-by=MODIFY", "--print-value-only") == "a\nb\nd\n"
    assert await ctl("get", "k/", "--prefix", "--sort-by=VERSION", "--keys-only", "--order=DESCEND", "--limit=1") == (
        "k/1\n\n"
    )
    limited = await ctl.json("get", "k/", "--prefix", "--limit=2")
    assert (limited["count"], limited["more"], len(limited["kvs"])) == (3, True, 2)
    revision = (await ctl.json("get", "k/1"))["kvs"][0]["mod_revision"]
    assert await ctl("get", "k/1", f"--rev={revision - 1}") == "k/1\nc\n"
    assert "required revision is a future revision" in await ctl("get", "k/1", "--rev=999999999")


async def test_delete(ctl: Ctl) -> None:
    for key in ("d/1", "d/2", "d/3", "other"):
        await ctl("put", key, "v")
    assert await ctl("del", "d/1") == "1\n"
    assert await ctl("del", "d/1") == "0\n"
    assert await ctl("del", "d/", "--prefix", "--prev-kv") == "2\nd/2\nv\nd/3\nv\n"
    assert await ctl("get", "", "--prefix", "--keys-only") == "other\n\n"


async def test_txn(ctl: Ctl) -> None:
    await ctl("put", "t", "1")
    request = 'value("t") = "1"\n\nput t 2\nget t\n\nput t 3\n\n'
    assert await ctl("txn", stdin=request) == "SUCCESS\n\nOK\n\nt\n2\n"
    assert await ctl("txn", stdin=request) == "FAILURE\n\nOK\n"
    assert await ctl("get", "t", "--print-value-only") == "3\n"
    assert await ctl("txn", stdin='version("nope") = "0"\nmod("t") > "0"\n\ndel t\n\n\n') == "SUCCESS\n\n1\n"
    assert await ctl("txn", stdin='value("nope") = ""\n\nput x 1\n\n\n') == "FAILURE\n"
    assert "duplicate key given in txn request" in await ctl("txn", stdin="\nput t 1\nput t 2\n\n\n")


async def test_errors(ctl: Ctl) -> None:
    assert "key is not provided" in await ctl("put", "", "1")
    assert "requested lease not found" in await ctl("put", "a", "1", "--lease=1234")
    assert ctl.code == 1
    assert "key not found" in await ctl("put", "nothing", "--ignore-value")
    too_many = "".join(f"put k{number} v\n" for number in range(129))
    assert "too many operations in txn request" in await ctl("txn", stdin=f"\n{too_many}\n\n")


async def test_watch(ctl: Ctl) -> None:
    first = (await ctl.json("put", "w/1", "a"))["header"]["revision"]
    await ctl("put", "w/1", "b")
    await ctl("del", "w/1")
    await ctl("put", "w/2", "c")
    watch = await ctl.start("watch", "w/", "--prefix", f"--rev={first}", "--prev-kv")
    try:
        expected = "PUT\nw/1\na\nPUT\nw/1\na\nw/1\nb\nDELETE\nw/1\nb\nw/1\n\nPUT\nw/2\nc\n"
        assert await read(watch, expected) == expected
        await ctl("put", "w/3", "live")
        live = "PUT\nw/3\nlive\n"
        assert await read(watch, live) == live
    finally:
        watch.kill()
        await watch.communicate()


async def test_compact_and_a_watch_behind_it(ctl: Ctl) -> None:
    first = (await ctl.json("put", "c", "1"))["header"]["revision"]
    await ctl("put", "c", "2")
    last = (await ctl.json("put", "c", "3"))["header"]["revision"]
    assert await ctl("compact", str(last), "--physical") == f"compacted revision {last}\n"
    assert "required revision has been compacted" in await ctl("compact", str(last))
    assert "required revision has been compacted" in await ctl("get", "c", f"--rev={first}")
    assert await ctl("get", "c", f"--rev={last}") == "c\n3\n"
    assert "required revision is a future revision" in await ctl("compact", str(last + 1000))
    assert "required revision has been compacted" in await ctl("watch", "c", f"--rev={first}")


async def test_lease(ctl: Ctl) -> None:
    granted = await ctl("lease", "grant", "100")
    found = re.fullmatch(r"lease ([0-9a-f]+) granted with TTL\(100s\)\n", granted)
    assert found is not None
    lease = found[1]
    assert await ctl("put", "l", "1", f"--lease={lease}") == "OK\n"
    assert lease in await ctl("lease", "list")
    left = await ctl("lease", "timetolive", lease, "--keys")
    assert re.fullmatch(rf"lease {lease} granted with TTL\(100s\), remaining\(\d+s\), attached keys\(\[l\]\)\n", left)
    assert await ctl("lease", "keep-alive", "--once", lease) == f"lease {lease} keepalived with TTL(100)\n"
    assert await ctl("lease", "revoke", lease) == f"lease {lease} revoked\n"
    assert await ctl("get", "l") == ""
    assert "requested lease not found" in await ctl("lease", "revoke", lease)
    assert "already expired" in await ctl("lease", "timetolive", lease)


async def test_a_lease_ends_and_takes_its_keys_along(ctl: Ctl) -> None:
    lease = (await ctl("lease", "grant", "2")).split()[1]
    await ctl("put", "short", "1", f"--lease={lease}")
    for _ in range(60):
        if await ctl("get", "short") == "":
            break
        await asyncio.sleep(0.2)
    assert await ctl("get", "short") == ""


async def test_members_and_status(ctl: Ctl, address: str) -> None:
    members = await ctl.json("member", "list")
    assert len(members["members"]) == 1
    assert members["members"][0]["clientURLs"] == [f"http://{address}"]
    status = (await ctl.json("endpoint", "status"))[0]["Status"]
    assert status["leader"] == members["members"][0]["ID"] == status["header"]["member_id"]
    assert status["dbSize"] >= status["dbSizeInUse"] > 0
    assert "is healthy" in await ctl("endpoint", "health")
    assert "hash" in (await ctl("endpoint", "hashkv", "-w", "json")).lower()


async def test_defragment_and_alarms(ctl: Ctl) -> None:
    await ctl("put", "before", "1")
    assert "Finished defragmenting" in await ctl("defrag")
    assert await ctl("get", "before") == "before\n1\n"
    assert await ctl("put", "after", "1") == "OK\n"
    assert await ctl("alarm", "list") == ""


async def test_snapshot(ctl: Ctl, tmp_path: Path) -> None:
    await ctl("put", "s", "1")
    target = tmp_path / "snapshot.db"
    answer = await ctl("snapshot", "save", str(target))
    assert ctl.code == 0, answer
    assert target.stat().st_size > 4096


async def test_users_of_a_store_without_authentication(ctl: Ctl) -> None:
    """A client that was given a user finds authentication off, and goes on without."""
    put = await ctl("put", "u", "1", "--user", "root:secret")
    assert put.startswith("OK\n")
    assert "etcdserver: authentication is not enabled" in put  # etcdctl's warning on stderr
    assert (await ctl("get", "u", "--user", "root:secret")).startswith("u\n1\n")
    assert "Authentication Disabled" in await ctl("auth", "disable")
    assert ctl.code == 0
