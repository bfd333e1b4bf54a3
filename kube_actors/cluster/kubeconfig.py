"""The kubeconfig file: how kubectl, kactl and every Kubernetes client find the cluster and who they are."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kube_actors.api import Obj
from kube_actors.api.errors import ConfigError
from kube_actors.cluster.pki import write_private

# The key of the extension that tells kactl where gRPC listens; Kubernetes' clients ignore it.
EXTENSION = "kube-actors"


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """One cluster, one user, one context. `grpc` is the API server's gRPC address for certificates."""

    cluster: str
    server: str
    ca: bytes
    user: str
    certificate: bytes
    key: bytes = field(repr=False)
    grpc: str = ""

    def as_object(self) -> Obj:
        """The `v1 Config` object."""
        context = f"kube-actors-{self.cluster}"
        cluster: Obj = {"server": self.server, "certificate-authority-data": _encode(self.ca)}
        if self.grpc:
            cluster["extensions"] = [{"name": EXTENSION, "extension": {"grpc": self.grpc}}]
        user = {"client-certificate-data": _encode(self.certificate), "client-key-data": _encode(self.key)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": f"{self.user}@{context}", "user": user}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": f"{self.user}@{context}"}}],
            "current-context": context,
        }

    def write(self, path: Path) -> None:
        """Write the file, readable by its owner alone. Raises ConfigError."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, yaml.safe_dump(self.as_object(), sort_keys=False).encode())
        except OSError as error:
            raise ConfigError(f"cannot write the kubeconfig {path}: {error.strerror}") from error


def read(path: Path) -> Kubeconfig:
    """What the current context of a kubeconfig says. Raises ConfigError with one line."""
    try:
        content = yaml.safe_load(path.read_text())
        context = _named(content, "contexts", "context", content["current-context"])
        cluster = _named(content, "clusters", "cluster", context["cluster"])
        user = _named(content, "users", "user", context["user"])
        extensions = {item["name"]: item["extension"] for item in cluster.get("extensions") or ()}
        return Kubeconfig(
            cluster=str(context["cluster"]).removeprefix("kube-actors-"),
            server=cluster["server"],
            ca=base64.b64decode(cluster["certificate-authority-data"]),
            user=str(context["user"]).partition("@")[0],
            certificate=base64.b64decode(user["client-certificate-data"]),
            key=base64.b64decode(user["client-key-data"]),
            grpc=extensions.get(EXTENSION, {}).get("grpc", ""),
        )
    except OSError as error:
        raise ConfigError(f"cannot read the kubeconfig {path}: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path} is no kubeconfig that kactl can use: {_short(error)}") from error


def _named(content: Any, section: str, key: str, name: str) -> Obj:
    for item in content.get(section) or ():
        if item["name"] == name:
            return dict(item[key])
    raise ValueError(f"{section} has no {name!r}")


def _short(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return str(error).splitlines()[0]


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
