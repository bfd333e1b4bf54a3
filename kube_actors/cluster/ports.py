"""Ports: which are free, and one clear line where one is not."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping

from kube_actors.api.errors import ConfigError


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def answers(address: str, seconds: float = 1.0) -> bool:
    """Whether something listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=seconds).close()
    except OSError:
        return False
    return True


def require_free(host: str, wanted: Mapping[str, int]) -> None:
    """Raise ConfigError for the first port in use; keys name the setting to change."""
    for setting, port in wanted.items():
        if port and not is_free(host, port):
            raise ConfigError(f"port {port} of {host} is in use; end what listens there or choose another ({setting})")


def free_ports(count: int, host: str = "127.0.0.1", avoid: Iterable[int] = ()) -> list[int]:
    """Different ports that are free now."""
    taken = set(avoid)
    held: list[socket.socket] = []
    found: list[int] = []
    try:
        while len(found) < count:
            probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            held.append(probe)
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
            if port not in taken:
                found.append(port)
    finally:
        for probe in held:
            probe.close()
    return found
