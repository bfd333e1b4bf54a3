"""The bridge network that carries the pods of a node, made on demand."""

from __future__ import annotations

import ipaddress
from typing import Any

import aiodocker

from kube_actors.node.runtime.docker.engine import Engine, failures
from kube_actors.node.runtime.docker.names import CLUSTER
from kube_actors.node.runtime.interface import RuntimeFailure

REASON = "NetworkNotReady"


def network_config(name: str, subnet: str, cluster: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Driver": "bridge",
        "CheckDuplicate": True,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": subnet}]},
        "Labels": {CLUSTER: cluster},
    }


async def ensure_network(engine: Engine, name: str, subnet: str, cluster: str) -> str:
    """Its id. Raises RuntimeFailure where a network of that name has another subnet or another owner."""
    async with failures(REASON):
        try:
            found = await engine.json("GET", f"networks/{name}")
        except aiodocker.DockerError as exc:
            if exc.status != 404:
                raise
            try:
                created = await engine.json("POST", "networks/create", body=network_config(name, subnet, cluster))
                return str(created["Id"])
            except aiodocker.DockerError as conflict:
                # Another node of this cluster was first.
                if conflict.status != 409:
                    raise
                found = await engine.json("GET", f"networks/{name}")
    owner = (found.get("Labels") or {}).get(CLUSTER)
    if owner != cluster:
        raise RuntimeFailure(f"Docker network {name} exists, but not of cluster {cluster}: choose another name", REASON)
    subnets = [item.get("Subnet", "") for item in (found.get("IPAM") or {}).get("Config") or ()]
    if not any(ipaddress.ip_network(item) == ipaddress.ip_network(subnet) for item in subnets if item):
        raise RuntimeFailure(
            f"Docker network {name} has the subnet {', '.join(subnets)}, not {subnet}: remove it with "
            f"`docker network rm {name}`",
            REASON,
        )
    return str(found["Id"])


async def remove_network(engine: Engine, name: str) -> None:
    """Nothing happens if it is not there. Raises RuntimeFailure while containers are on it."""
    async with failures(REASON):
        try:
            await engine.json("DELETE", f"networks/{name}")
        except aiodocker.DockerError as exc:
            if exc.status != 404:
                raise
