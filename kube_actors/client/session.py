"""The Session stream: gets and writes of one client, batched per loop turn, answers matched by id.

A call is in one of three places:

    outbox --written--> flying --answered--> done
      ^                    |
      |   the stream breaks: gets go back ---+--- writes fail with a transient RpcError
      +--------------------+                      (they may or may not have happened)

A call in the outbox was never sent, so while the server is away it waits there, writes too, until the
session's patience or the call's timeout ends. The stream is opened by the first call and again when a
call waits for it: an idle client does not dial a server that is away.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.batching import TurnBatcher
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj, encoding, errors
from kube_actors.rpc.channel import Channel, Conversation, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as pb

# One message holds at most this much, so that a batch of large objects stays below gRPC's limit.
BATCH_BYTES = 4 << 20
# Calls that wait or fly at once, unless the client wants fewer; the next caller waits for its turn.
MAX_CALLS = 20_000
RECONNECT = Backoff(initial=0.05, factor=2.0, maximum=1.0)
BROKEN = "the stream to the API server broke before the answer"


@dataclass(slots=True, eq=False)
class Pending:
    """A call whose answer somebody awaits."""

    message: pb.Call
    answer: asyncio.Future[Obj]
    repeatable: bool

    def fail(self, error: errors.KubeActorsError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Session:
    """Calls over one stream that heals itself. `run()` is the task that drives it."""

    def __init__(self, channel: Channel, stub: Stub, patience: float, most: int = MAX_CALLS) -> None:
        """`patience`: seconds that calls wait for a server that is away before the attempt fails.

        `most`: how many calls there are at once; the next one waits in front.
        """
        self._channel = channel
        self._stub = stub
        self._patience = patience
        self._tasks = Tasks("client-session")
        self._batcher: TurnBatcher[Pending] = TurnBatcher(self._enqueue)
        self._outbox: list[Pending] = []
        self._flying: dict[int, Pending] = {}
        self._work = asyncio.Event()
        self._slots = asyncio.Semaphore(most)
        self._last_id = 0
        self._running = False

    def start(self) -> None:
        self._running = True
        self._tasks.spawn_forever(self._run(), "run")

    async def stop(self) -> None:
        """Calls that still wait are answered with a transient RpcError."""
        self._running = False
        await self._tasks.stop()
        for pending in (*self._outbox, *self._flying.values()):
            pending.fail(RpcError("CANCELLED", "the client was stopped"))
        self._outbox.clear()
        self._flying.clear()

    async def call(self, *, timeout: float, repeatable: bool = False, **request: Any) -> Obj:
        """Send one request (`get=`, `create=`, `update=`, `patch=` or `delete=`) and await its answer.

        Raises the ApiError that the server answers, or RpcError. After a timeout or a broken stream a
        write may have happened.
        """
        if not self._running:
            raise RpcError("CANCELLED", "the client is not running")
        async with self._slots:
            self._last_id += 1
            message = pb.Call(id=self._last_id, **request)
            pending = Pending(message, asyncio.get_running_loop().create_future(), repeatable)
            self._batcher.add(pending)
            try:
                async with asyncio.timeout(timeout):
                    return await pending.answer
            except TimeoutError as error:
                raise RpcError("DEADLINE_EXCEEDED", f"the API server did not answer within {timeout:g} s") from error
            finally:
                self._flying.pop(message.id, None)

    def _enqueue(self, calls: list[Pending]) -> None:
        self._outbox.extend(calls)
        self._work.set()

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._work.wait()
            error, talked = await self._converse()
            failures = 0 if talked else failures + 1
            self._recover(error)
            await asyncio.sleep(RECONNECT.delay(failures))

    async def _converse(self) -> tuple[errors.KubeActorsError, bool]:
        """One stream from its opening to its end: why it ended, and whether an answer had come."""
        # Not connected in time: the stream is opened all the same, for it fails with gRPC's own words.
        await self._channel.ready(self._patience)
        conversation = self._stub.open("Session")
        reader = _Reader(self._flying)
        reading = self._tasks.spawn(reader.run(conversation), "read")
        reading.add_done_callback(lambda _: self._work.set())
        try:
            while not reading.done():
                await self._write(conversation)
                await self._work.wait()
        except errors.KubeActorsError:
            # Why the stream ended is what the reader is told, which may take a turn longer.
            await asyncio.wait([reading], timeout=1.0)
        finally:
            conversation.cancel()
            await asyncio.wait([reading])
        return reader.ended, reader.talked

    async def _write(self, conversation: Conversation) -> None:
        """Write what the outbox has. What a failed write leaves in it was not sent."""
        self._work.clear()
        while self._outbox:
            batch = self._take()
            # Flying from here on: whether a failed write reached the server cannot be known.
            self._flying.update((pending.message.id, pending) for pending in batch)
            await conversation.write(pb.SessionRequest(calls=[pending.message for pending in batch]))

    def _take(self) -> list[Pending]:
        """The first calls of the outbox, at most BATCH_BYTES of them but one at least."""
        size = 0
        for index, pending in enumerate(self._outbox):
            size += pending.message.ByteSize()
            if size > BATCH_BYTES and index:
                break
        else:
            index = len(self._outbox)
        batch, self._outbox = self._outbox[:index], self._outbox[index:]
        return [pending for pending in batch if not pending.answer.done()]

    def _recover(self, error: errors.KubeActorsError) -> None:
        """After a break: gets fly again, writes fail, and where the server refused us all fail."""
        refused = isinstance(error, errors.ApiError) or (isinstance(error, RpcError) and not error.transient)
        flying = list(self._flying.values())
        self._flying.clear()
        again: list[Pending] = []
        for pending in flying:
            if refused:
                pending.fail(error)
            elif pending.repeatable:
                again.append(pending)
            else:
                pending.fail(RpcError("UNAVAILABLE", f"{BROKEN}: {error}"))
        if refused:
            for pending in self._outbox:
                pending.fail(error)
            self._outbox.clear()
        self._outbox[:0] = [pending for pending in again if not pending.answer.done()]
        if self._outbox:
            self._work.set()
        else:
            self._work.clear()


class _Reader:
    """Reads one stream and answers the calls that fly. Ends by itself, with the reason in `ended`."""

    def __init__(self, flying: dict[int, Pending]) -> None:
        self._flying = flying
        self.ended: errors.KubeActorsError = RpcError("UNAVAILABLE", "the API server ended the stream")
        self.talked = False

    async def run(self, conversation: Conversation) -> None:
        try:
            while (response := await conversation.read()) is not None:
                self.talked = True
                for answer in response.answers:
                    self._settle(answer)
        except errors.KubeActorsError as error:
            self.ended = error

    def _settle(self, answer: pb.Answer) -> None:
        pending = self._flying.pop(answer.id, None)
        if pending is None or pending.answer.done():
            return
        if answer.WhichOneof("result") == "status":
            pending.answer.set_exception(errors.from_status(encoding.loads(answer.status)))
        else:
            pending.answer.set_result(encoding.loads(answer.object))
