"""A client in memory for the commands, and their output."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kube_actors.api import Obj
from kube_actors.api.resources import BUILTIN, Resource
from kube_actors.client.testing import FakeKubeClient
from kube_actors.client.types import ObjList
from kube_actors_cli import parser, session


class CommandClient(FakeKubeClient):
    """What `kactl` asks besides: discovery and tables."""

    async def discover(self) -> Sequence[Resource]:
        return list(BUILTIN)

    async def get_table(self, resource: Resource, name: str, namespace: str = "") -> Obj:
        return _table(resource, [await self.get(resource, name, namespace)])

    async def list(self, resource: Resource, namespace: str = "", *, as_table: bool = False, **how: Any) -> ObjList:
        found = await super().list(resource, namespace, **how)
        if as_table:
            return ObjList([_table(resource, found.items)], found.resource_version)
        return found


def _table(resource: Resource, objects: Iterable[Obj]) -> Obj:
    """Name and, with -o wide, uid."""
    columns = [{"name": "Name", "priority": 0}, {"name": "Kind", "priority": 0}, {"name": "UID", "priority": 1}]
    rows = [
        {"cells": [obj["metadata"]["name"], resource.kind, obj["metadata"]["uid"]], "object": obj} for obj in objects
    ]
    return {"columnDefinitions": columns, "rows": rows, "metadata": {}}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> CommandClient:
    """The client that commands get instead of one that dials."""
    fake = CommandClient()

    @asynccontextmanager
    async def connected(arguments: argparse.Namespace) -> AsyncIterator[CommandClient]:
        yield fake

    monkeypatch.setattr(session, "client", connected)
    return fake


@pytest.fixture
def parse() -> Callable[..., argparse.Namespace]:
    """A parsed command line."""
    return lambda *words: parser.build().parse_args(words)
