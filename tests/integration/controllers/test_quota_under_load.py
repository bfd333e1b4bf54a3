"""A quota while its controller counts and many clients create and delete: never more than it allows."""

from __future__ import annotations

import asyncio

from kube_actors.api import errors
from kube_actors.api.resources import CONFIGMAPS, builtin
from kube_actors.cluster.embedded import Cluster

QUOTAS = builtin("v1", "resourcequotas")
NAMESPACES = builtin("v1", "namespaces")
ALLOWED, CLIENTS, ROUNDS = 12, 10, 10


async def test_creations_and_deletions_at_once_never_exceed_a_quota() -> None:
    async with Cluster(nodes=0) as cluster:
        client = cluster.client
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "small"}}
        await client.create(NAMESPACES, namespace)
        # The root certificate's ConfigMap counts too.
        quota = {"metadata": {"name": "q"}, "spec": {"hard": {"configmaps": str(ALLOWED)}}}
        await client.create(QUOTAS, {"apiVersion": "v1", "kind": "ResourceQuota", **quota}, namespace="small")
        async with asyncio.timeout(20):
            while "used" not in (await client.get(QUOTAS, "q", namespace="small")).get("status", {}):
                await asyncio.sleep(0.05)
        most, refused = 0, 0

        async def work(number: int) -> None:
            nonlocal most, refused
            for turn in range(ROUNDS):
                name = f"c{number}-{turn}"
                body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
                try:
                    await client.create(CONFIGMAPS, body, namespace="small")
                except errors.Forbidden as error:
                    assert "exceeded quota: q" in str(error)  # noqa: PT017
                    refused += 1
                    await asyncio.sleep(0.05)
                    continue
                present = len((await client.list(CONFIGMAPS, "small")).items)
                most = max(most, present)
                if turn % 3:
                    await client.delete(CONFIGMAPS, name, namespace="small")

        await asyncio.gather(*(work(number) for number in range(CLIENTS)))
        assert refused
        assert ALLOWED // 2 < most <= ALLOWED
        # What was deleted is given back.
        for one in (await client.list(CONFIGMAPS, "small")).items:
            if one["metadata"]["name"] != "kube-root-ca.crt":
                await client.delete(CONFIGMAPS, one["metadata"]["name"], namespace="small")
        async with asyncio.timeout(20):
            while (await client.get(QUOTAS, "q", namespace="small"))["status"]["used"] != {"configmaps": "1"}:
                await asyncio.sleep(0.1)
