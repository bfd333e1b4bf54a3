from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kube_actors.client.client import KubeClient


def _load_fake_server() -> Any:
    # The tests are no packages, so a module beside them is loaded by its path.
    spec = importlib.util.spec_from_file_location("client_fake_server", Path(__file__).with_name("fake_server.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fake_server = _load_fake_server()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Any]:
    server = fake_server.FakeServer(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(server: Any) -> AsyncIterator[KubeClient]:
    client = KubeClient([server.address], timeout=5.0, patience=2.0)
    await client.start()
    yield client
    await client.stop()
