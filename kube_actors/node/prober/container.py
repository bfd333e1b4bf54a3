"""One check of one container: exec inside it, or http and tcp against its pod; simulations answer themselves."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import cast

from kube_actors.api import Obj
from kube_actors.node.prober.checks import MAX_BODY, Result, http_get, tcp_connect
from kube_actors.node.prober.grpc import grpc_check
from kube_actors.node.runtime.interface import ExecSession, Runtime, RuntimeFailure, Simulation

# A runtime that takes longer to end a command hangs, and may have been what took the command's time.
RUNTIME_SECONDS = 5.0


class ContainerChecks:
    """Runs the handlers of probes and lifecycle hooks."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._simulation = cast(Simulation, runtime) if isinstance(runtime, Simulation) else None

    async def probe(self, kind: str, action: Obj, container: Obj, container_id: str, ip: str, timeout: float) -> Result:
        """Run a probe's handler once. `kind` is startup, liveness or readiness."""
        if self._simulation is not None:
            ok = await self._simulation.probe(container_id, kind)
            return Result(ok, "" if ok else "the simulated container fails it")
        return await self.check(action, container, container_id, ip, timeout)

    async def check(self, action: Obj, container: Obj, container_id: str, ip: str, timeout: float) -> Result:
        ports = {
            str(each["name"]): int(each["containerPort"]) for each in container.get("ports") or () if each.get("name")
        }
        if action.get("exec") is not None:
            return await self.execute(container_id, tuple(action["exec"].get("command") or ()), timeout)
        if action.get("httpGet") is not None:
            return await http_get(action["httpGet"], ip, ports, timeout)
        if action.get("tcpSocket") is not None:
            return await tcp_connect(action["tcpSocket"], ip, ports, timeout)
        if action.get("grpc") is not None:
            return await grpc_check(action["grpc"], ip, timeout)
        return Result(False, f"missing probe handler for {container['name']}", unknown=True)

    async def execute(self, container_id: str, command: tuple[str, ...], timeout: float) -> Result:
        """Run a command in the container: exit code 0 is good. Only the command's own time counts: while the runtime
        hangs, nothing follows from it."""
        try:
            session = await self._runtime.exec(container_id, command, stdin=False, tty=False)
            try:
                async with asyncio.timeout(timeout):
                    return await _outcome(session)
            except TimeoutError:
                ended = asyncio.get_running_loop().time()
            finally:
                await session.close()
        except RuntimeFailure as error:
            return Result(False, str(error), unknown=True)
        hung = asyncio.get_running_loop().time() - ended > RUNTIME_SECONDS
        said = f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
        return Result(False, said, unknown=hung)


async def _outcome(session: ExecSession) -> Result:
    output = bytearray()
    async with aclosing(session.output()) as chunks:  # type: ignore[type-var]
        async for _, data in chunks:
            output.extend(data[: MAX_BODY - len(output)])
    code = await session.wait()
    return Result(code == 0, output.decode(errors="replace"))
