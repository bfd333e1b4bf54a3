"""Logins for registries out of a pod's imagePullSecrets, as pkg/credentialprovider of Kubernetes finds them. Pure."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kube_actors.api import Obj, encoding

DEFAULT_REGISTRY = "index.docker.io"


@dataclass(frozen=True, slots=True)
class Login:
    """`secret` is the uid of the Secret that it comes from."""

    username: str
    password: str
    server: str
    secret: str

    def auth(self) -> dict[str, str]:
        """As container runtimes take it."""
        return {"username": self.username, "password": self.password, "serveraddress": self.server}

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.username}\0{self.password}\0{self.server}".encode()).hexdigest()


def registry_of(image: str) -> str:
    """`docker.io` for names without a registry."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def logins(secrets: Iterable[Obj], image: str) -> list[Login]:
    """All that fit the image, those for the longest path first."""
    entries = [entry for secret in secrets for entry in _entries(secret)]
    entries.sort(key=lambda entry: entry[0], reverse=True)
    found = [login for key, login in entries if _matches(key, image)]
    if not found and registry_of(image) in ("docker.io", DEFAULT_REGISTRY):
        found = [login for key, login in entries if key == DEFAULT_REGISTRY]
    return list(dict.fromkeys(found))


def _entries(secret: Obj) -> Iterator[tuple[str, Login]]:
    """(host or host/path, login) of a secret of the types dockerconfigjson and dockercfg; none of a broken one."""
    data = secret.get("data") or {}
    try:
        if secret.get("type") == "kubernetes.io/dockercfg":
            servers = encoding.loads(base64.b64decode(data.get(".dockercfg") or ""))
        else:
            servers = encoding.loads(base64.b64decode(data.get(".dockerconfigjson") or "")).get("auths") or {}
        pairs = [(str(server), dict(entry)) for server, entry in servers.items()]
    except (ValueError, AttributeError, TypeError):
        return
    for server, entry in pairs:
        key = _key(server)
        login = _login(entry, key.partition("/")[0], str(secret.get("metadata", {}).get("uid") or ""))
        if login is not None:
            yield key, login


def _key(server: str) -> str:
    """https://index.docker.io/v1/ -> index.docker.io      reg:5000/team -> reg:5000/team"""
    host, slash, path = server.removeprefix("https://").removeprefix("http://").partition("/")
    for version in ("v1/", "v2/"):
        path = path.removeprefix(version)
    return host + slash + path if path else host


def _login(entry: Obj, server: str, secret: str) -> Login | None:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            username, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
    return Login(username, password, server, secret)


def _matches(key: str, image: str) -> bool:
    """The host label by label, `*` within one; the port; the beginning of the path."""
    host, _, path = key.partition("/")
    image_host, _, image_path = image.partition("/")
    name, _, port = host.partition(":")
    image_name, _, image_port = image_host.partition(":")
    labels, image_labels = name.split("."), image_name.split(".")
    return (
        port == image_port
        and len(labels) == len(image_labels)
        and all(fnmatch.fnmatchcase(one, pattern) for one, pattern in zip(image_labels, labels, strict=True))
        and image_path.startswith(path)
    )
