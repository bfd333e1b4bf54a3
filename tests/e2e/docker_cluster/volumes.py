"""Objects for tests of volumes."""

from __future__ import annotations

import base64
from typing import Any


def config_map(name: str, data: Any, **more: Any) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data} | more


def secret(name: str, data: Any, **more: Any) -> Any:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded} | more


def at(volume: str, path: str = "", **more: Any) -> Any:
    return {"name": volume, "mountPath": path or f"/{volume}"} | more


def body(volumes: Any, *containers: Any, **more: Any) -> Any:
    """The spec of a pod whose volumes are given by name."""
    spec = {"volumes": [{"name": name} | source for name, source in volumes.items()]} | more
    return spec | ({"containers": list(containers)} if containers else {})
