"""etcdserverpb.Maintenance: status, backup, checksum, defragmentation, alarms."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import zlib
from collections.abc import AsyncIterator
from typing import IO

from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.server import Call
from kube_actors.store.engine import Engine
from kube_actors.store.records import first_id
from kube_actors.store.services.messages import TERM, header
from kube_actors.store.services.reading import check_revision

# The etcd whose behaviour this is; clients decide by it what they may ask.
VERSION = "3.5.21"
BLOB = 1 << 20
STEP = 1000


class MaintenanceService:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def Status(self, request: pb.StatusRequest, call: Call) -> pb.StatusResponse:
        engine = self._engine
        return pb.StatusResponse(
            header=header(engine),
            version=VERSION,
            dbSize=engine.backend.size(),
            dbSizeInUse=engine.backend.size_in_use(),
            leader=engine.member_id,
            raftIndex=engine.durable,
            raftAppliedIndex=engine.durable,
            raftTerm=TERM,
            errors=[f"memberID:{engine.member_id} alarm:NOSPACE "] if engine.out_of_space else [],
        )

    async def Alarm(self, request: pb.AlarmRequest, call: Call) -> pb.AlarmResponse:
        engine = self._engine
        answer = pb.AlarmResponse()
        if request.action == pb.AlarmRequest.ACTIVATE and request.alarm == pb.NOSPACE:
            engine.set_alarm(True)
        raised = engine.out_of_space
        if raised and request.alarm in (pb.NONE, pb.NOSPACE):
            answer.alarms.add(memberID=engine.member_id, alarm=pb.NOSPACE)
        if request.action == pb.AlarmRequest.DEACTIVATE and request.alarm == pb.NOSPACE and raised:
            engine.set_alarm(False)
        await engine.settled()
        answer.header.CopyFrom(header(engine))
        return answer

    async def Defragment(self, request: pb.DefragmentRequest, call: Call) -> pb.DefragmentResponse:
        await self._engine.defragment()
        return pb.DefragmentResponse(header=header(self._engine))

    async def Hash(self, request: pb.HashRequest, call: Call) -> pb.HashResponse:
        return pb.HashResponse(header=header(self._engine), hash=await self._hash(self._engine.durable))

    async def HashKV(self, request: pb.HashKVRequest, call: Call) -> pb.HashKVResponse:
        engine = self._engine
        check_revision(engine, request.revision, engine.durable)
        compacted = engine.compacted
        value = await self._hash(request.revision if request.revision > 0 else engine.durable)
        return pb.HashKVResponse(header=header(engine), hash=value, compact_revision=compacted)

    async def Snapshot(self, request: pb.SnapshotRequest, call: Call) -> AsyncIterator[pb.SnapshotResponse]:
        """The file, compact and consistent, then its SHA-256, as etcd sends its own."""
        digest = hashlib.sha256()
        with tempfile.TemporaryFile() as file:
            await self._engine.copy_to(file)
            left = file.seek(0, 2)
            file.seek(0)
            while blob := await asyncio.to_thread(_read_blob, file, digest):
                left -= len(blob)
                yield pb.SnapshotResponse(header=header(self._engine), remaining_bytes=left, blob=blob)
        yield pb.SnapshotResponse(header=header(self._engine), blob=digest.digest())

    async def _hash(self, revision: int) -> int:
        """Over what is stored up to a revision; what a compaction has still to delete is left out."""
        engine, value = self._engine, 0
        at, end = first_id(0), first_id(revision + 1)
        with engine.hold():
            while rows := engine.scan(at, STEP):
                for record_id, record in rows:
                    if record_id >= end:
                        return value
                    value = zlib.crc32(record, zlib.crc32(record_id.to_bytes(12, "big"), value))
                at = rows[-1][0] + 1
                await asyncio.sleep(0)
        return value


def _read_blob(file: IO[bytes], digest: hashlib._Hash) -> bytes:
    blob = file.read(BLOB)
    digest.update(blob)
    return blob
