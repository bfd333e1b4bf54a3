"""Paths of the Kubernetes API. Kubernetes: k8s.io/apiserver/pkg/endpoints/request/requestinfo.go."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

# What may follow /namespaces/NAME and belongs to the namespace itself.
_OF_NAMESPACES = frozenset(("status", "finalize"))


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """/api/v1/namespaces/a/pods/b/log: `rest` is what follows the subresource, for proxies."""

    group: str
    version: str
    namespace: str
    resource: str
    name: str = ""
    subresource: str = ""
    rest: str = ""
    # The deprecated form /api/v1/watch/...
    watch: bool = False


def parse(path: str) -> ResourcePath | None:
    """None for a path that is about no resource: /version, /apis, /apis/apps/v1."""
    parts = [unquote(part) if "%" in part else part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        return _parse_resource("", parts[1], parts[2:])
    if len(parts) >= 4 and parts[0] == "apis":
        return _parse_resource(parts[1], parts[2], parts[3:])
    return None


def _parse_resource(group: str, version: str, parts: list[str]) -> ResourcePath | None:
    watch = parts[0] == "watch" and len(parts) > 1
    if watch:
        parts = parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in _OF_NAMESPACES:
        namespace, parts = parts[1], parts[2:]
    resource, name, subresource, *rest = [*parts, "", "", ""][: max(3, len(parts))]
    return ResourcePath(group, version, namespace, resource, name, subresource, "/".join(rest), watch)
