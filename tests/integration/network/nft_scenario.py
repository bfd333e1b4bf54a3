"""Run inside a network namespace by test_nftables.py: real rules, real packets, answers as JSON lines."""

from __future__ import annotations

import asyncio
import json
import subprocess

from kube_actors.network.nft_backend import NftablesBackend
from kube_actors.network.services import Endpoint, ServicePort

PODS = ("10.244.0.2", "10.244.0.3")
SERVICE, EMPTY, UNKNOWN = "10.96.0.10", "10.96.0.11", "10.96.0.99"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    here, there = writer.get_extra_info("sockname")[0], writer.get_extra_info("peername")[0]
    writer.write(f"{here} {there}".encode())
    await writer.drain()
    writer.close()


async def ask(ip: str, port: int) -> str:
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(ip, port), 1.0)
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "nothing"
    answer = await reader.read()
    writer.close()
    return answer.decode().split()[0]


async def main() -> None:
    for pod in PODS:
        subprocess.run(["ip", "addr", "add", f"{pod}/32", "dev", "lo"], check=True)
    backend = NftablesBackend("test", "10.96.0.0/12", "10.244.0.0/16")
    await backend.start()
    servers = [await asyncio.start_server(serve, pod, 8080) for pod in PODS]
    both = tuple(Endpoint(pod, 8080, local=True) for pod in PODS)
    web = ServicePort("shop", "web", "", "TCP", 80, 30080, (SERVICE,), (), both)
    empty = ServicePort("shop", "empty", "", "TCP", 80, 0, (EMPTY,), (), ())
    sticky = ServicePort("shop", "sticky", "", "TCP", 81, 0, (SERVICE,), (), both, affinity_seconds=60)
    await backend.apply((web, empty, sticky))
    result = {
        "spread": sorted({await ask(SERVICE, 80) for _ in range(40)}),
        "sticky": len({await ask(SERVICE, 81) for _ in range(20)}),
        "empty": await ask(EMPTY, 80),
        "other_port": await ask(SERVICE, 4444),
        "unknown": await ask(UNKNOWN, 80),
        "node_port": await ask("192.0.2.1", 30080),
    }
    await backend.apply((empty,))
    result["after_removal"] = await ask(SERVICE, 80)
    await backend.remove()
    left = subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout
    result["left"] = left.strip()
    for server in servers:
        server.close()
    print(json.dumps(result))


asyncio.run(main())
