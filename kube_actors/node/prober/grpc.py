"""grpc probes: gRPC's standard health service of a container, without TLS."""

from __future__ import annotations

import asyncio

from kube_actors.api import Obj
from kube_actors.node.prober.checks import Result
from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import health_pb2 as pb

HEALTH = pb.DESCRIPTOR.services_by_name["Health"]
_ANSWERS = {
    "UNIMPLEMENTED": "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)",
    "DEADLINE_EXCEEDED": "timeout: health rpc did not complete within {timeout:g}s",
    "UNAVAILABLE": 'timeout: failed to connect service "{target}" within {timeout:g}s: {message}',
}


async def grpc_check(action: Obj, host: str, timeout: float) -> Result:
    """SERVING is good."""
    target = f"[{host}]:{action['port']}" if ":" in host else f"{host}:{action['port']}"
    channel = Channel([target])
    try:
        async with asyncio.timeout(timeout + 0.5):
            request = pb.HealthCheckRequest(service=str(action.get("service") or ""))
            answer = await Stub(channel, HEALTH).unary("Check", request, timeout)
    except RpcError as error:
        text = _ANSWERS.get(error.code, "error: health rpc probe failed: {message}")
        return Result(False, text.format(timeout=timeout, target=target, message=error.message))
    except TimeoutError:
        return Result(False, _ANSWERS["DEADLINE_EXCEEDED"].format(timeout=timeout))
    finally:
        await channel.close()
    status = pb.HealthCheckResponse.ServingStatus.Name(answer.status)
    return Result(status == "SERVING", f'service unhealthy (responded with "{status}")')
