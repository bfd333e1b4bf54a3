"""The Session stream: many calls of one client at once, answers as they are ready.

Calls of one message run concurrently. Answers that become ready in one turn of the loop travel in one message.
At most `at_once` calls of a session run or wait for their turn; what comes beyond them waits in the stream, where
HTTP/2 holds the client back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog

from kube_actors.aio.tasks import Tasks
from kube_actors.api import encoding, errors
from kube_actors.apiserver.failures import as_api_error, internal
from kube_actors.apiserver.grpc_api.auditing import Caller
from kube_actors.apiserver.grpc_api.calls import Calls
from kube_actors.rpc.pb import api_pb2 as pb

log = structlog.get_logger(__name__)

MAX_IN_FLIGHT = 2048
MESSAGE_BYTES = 1 << 20


class Session:
    """One client's stream; `answers()` is its life."""

    def __init__(self, calls: Calls, caller: Caller, at_once: int = MAX_IN_FLIGHT) -> None:
        self._calls = calls
        self._caller = caller
        self._tasks = Tasks("apiserver-session")
        self._slots = asyncio.Semaphore(at_once)
        self._ready: list[pb.Answer] = []
        self._news = asyncio.Event()
        self._ended = False

    async def answers(self, requests: AsyncIterator[pb.SessionRequest]) -> AsyncIterator[pb.SessionResponse]:
        """Answers until the client has said all and was answered all."""
        reading = self._tasks.spawn(self._read(requests), "read")
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                ready, self._ready = self._ready, []
                for message in _messages(ready):
                    yield message
                if self._ended and not self._ready and len(self._tasks) == 0:
                    break
            await reading
        finally:
            await self._tasks.stop()

    async def _read(self, requests: AsyncIterator[pb.SessionRequest]) -> None:
        try:
            async for message in requests:
                for call in message.calls:
                    await self._slots.acquire()
                    task = self._tasks.spawn(self._run(call), "call")
                    task.add_done_callback(self._done)
        finally:
            self._ended = True
            # Once more after this task is gone, for the stream ends when no task is left.
            asyncio.get_running_loop().call_soon(self._news.set)

    def _done(self, _: asyncio.Task[None]) -> None:
        self._slots.release()
        self._news.set()

    async def _run(self, call: pb.Call) -> None:
        answer = await self._answer(call)
        # Only now: the list may have been sent and replaced while the call ran.
        self._ready.append(answer)

    async def _answer(self, call: pb.Call) -> pb.Answer:
        name = call.WhichOneof("request") or ""
        try:
            if not name:
                raise errors.BadRequest("the call has no request")
            return pb.Answer(id=call.id, object=await self._calls.run(name, getattr(call, name), self._caller))
        except errors.KubeActorsError as error:
            return _refusal(call.id, as_api_error(error))
        except Exception as error:
            log.error("call failed", call=name, exc_info=error)
            return _refusal(call.id, internal("the server's log has the details"))


def _refusal(number: int, error: errors.ApiError) -> pb.Answer:
    return pb.Answer(id=number, status=encoding.dumps(error.status()))


def _messages(answers: list[pb.Answer]) -> list[pb.SessionResponse]:
    """The answers in messages of bounded size."""
    messages: list[pb.SessionResponse] = []
    batch: list[pb.Answer] = []
    size = 0
    for answer in answers:
        batch.append(answer)
        size += len(answer.object) + len(answer.status)
        if size > MESSAGE_BYTES:
            messages.append(pb.SessionResponse(answers=batch))
            batch, size = [], 0
    if batch:
        messages.append(pb.SessionResponse(answers=batch))
    return messages
