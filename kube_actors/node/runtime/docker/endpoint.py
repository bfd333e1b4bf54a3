"""Where the Docker engine listens: flag, environment, Docker context, then the usual sockets."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kube_actors.api.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An engine's address: a unix socket's path, or a host and port with or without TLS."""

    url: str
    path: str = ""
    host: str = ""
    port: int = 0
    tls: ssl.SSLContext | None = None

    @property
    def local(self) -> bool:
        """The engine shares this machine's files and processes."""
        return bool(self.path)


def resolve(docker_host: str | None, environ: Mapping[str, str] = os.environ) -> Endpoint:
    """The engine to use. Raises ConfigError where there is none, in one line."""
    url = docker_host or environ.get("DOCKER_HOST") or _context_host(environ) or _first_socket(environ)
    if not url:
        raise ConfigError("no Docker engine: DOCKER_HOST is not set and no socket is at /run/docker.sock")
    return parse(url, environ)


def parse(url: str, environ: Mapping[str, str] = os.environ) -> Endpoint:
    scheme, _, rest = url.partition("://")
    if scheme == "unix" and rest.startswith("/"):
        return Endpoint(url, path=rest)
    if scheme in ("tcp", "http", "https"):
        host, _, port = rest.rstrip("/").rpartition(":")
        if host and port.isdigit():
            secure = scheme == "https" or environ.get("DOCKER_TLS_VERIFY", "0") not in ("", "0")
            return Endpoint(url, host=host.strip("[]"), port=int(port), tls=_tls(environ) if secure else None)
    raise ConfigError(f"Docker address {url!r} is not usable: use unix:///path/to/docker.sock or tcp://host:port")


def _tls(environ: Mapping[str, str]) -> ssl.SSLContext:
    folder = Path(environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(str(folder / "cert.pem"), str(folder / "key.pem"))
    except OSError as exc:
        raise ConfigError(f"Docker TLS files in {folder} (ca.pem, cert.pem, key.pem) cannot be read: {exc}") from exc
    return context


def _context_host(environ: Mapping[str, str]) -> str:
    """The engine of the current `docker context`, empty for the default one."""
    folder = Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    name = environ.get("DOCKER_CONTEXT", "")
    try:
        name = name or json.loads((folder / "config.json").read_bytes()).get("currentContext", "")
        if not name or name == "default":
            return ""
        meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
        return str(json.loads(meta.read_bytes())["Endpoints"]["docker"]["Host"])
    except FileNotFoundError as exc:
        if name:
            raise ConfigError(f"Docker context {name!r} does not exist; see `docker context ls`") from exc
        return ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(f"Docker's client configuration in {folder} cannot be read: {exc}") from exc


def _first_socket(environ: Mapping[str, str]) -> str:
    runtime_dir = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    places = (
        Path("/run/docker.sock"),
        Path("/var/run/docker.sock"),
        Path.home() / ".docker/run/docker.sock",
        Path(runtime_dir) / "docker.sock",
        Path("/run/podman/podman.sock"),
        Path(runtime_dir) / "podman/podman.sock",
    )
    for place in places:
        try:
            if place.is_socket():
                return f"unix://{place}"
        except OSError:
            continue
    return ""
