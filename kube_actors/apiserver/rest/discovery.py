"""What the server serves: /api, /apis, a group, a version, and all at once (aggregated discovery).

Made from the resource registry, cached as bytes until the registry changes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping

from kube_actors.api import Obj, encoding
from kube_actors.api.resources import Registry, Resource
from kube_actors.apiserver.aggregation.remotes import Remote
from kube_actors.apiserver.versions import stored

_READ_WRITE = ("get", "patch", "update")
_PROXY = ("create", "delete", "get", "patch", "update")
_STREAM = ("create", "get")

# plural/subresource or /subresource: (kind, verbs, group/version of the kind where it is another)
_SUBRESOURCES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "/status": ("", _READ_WRITE, ""),
    "/scale": ("Scale", _READ_WRITE, "autoscaling/v1"),
    "/finalize": ("", ("update",), ""),
    "/approval": ("", _READ_WRITE, ""),
    "/ephemeralcontainers": ("", _READ_WRITE, ""),
    "/resize": ("", _READ_WRITE, ""),
    "/log": ("", ("get",), ""),
    "/binding": ("Binding", ("create",), ""),
    "/eviction": ("Eviction", ("create",), "policy/v1"),
    "/token": ("TokenRequest", ("create",), "authentication.k8s.io/v1"),
    "/exec": ("PodExecOptions", _STREAM, ""),
    "/attach": ("PodAttachOptions", _STREAM, ""),
    "/portforward": ("PodPortForwardOptions", _STREAM, ""),
    "pods/proxy": ("PodProxyOptions", _PROXY, ""),
    "nodes/proxy": ("NodeProxyOptions", _PROXY, ""),
    "services/proxy": ("ServiceProxyOptions", _PROXY, ""),
}
# kube-apiserver's order of groups in /apis; groups of custom resources follow by name.
_GROUP_ORDER = (
    "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling",
    "batch", "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io",
    "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io",
    "discovery.k8s.io", "resource.k8s.io", "flowcontrol.apiserver.k8s.io",
)  # fmt: skip


class Discovery:
    """Bodies of the discovery paths, as JSON bytes. None: no such group or version."""

    def __init__(self, resources: Registry, remotes: Mapping[tuple[str, str], Remote]) -> None:
        """`remotes` are the versions that other servers answer for, by group and version; it changes."""
        self._resources = resources
        self._remotes = remotes
        self._made: dict[str, bytes] = {}
        self._version: tuple[object, ...] = ()

    def api_versions(self) -> bytes:
        """/api."""
        body = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        return self._once("api", lambda: body)

    def groups(self) -> bytes:
        """/apis."""
        head = {"kind": "APIGroupList", "apiVersion": "v1"}
        return self._once("apis", lambda: {**head, "groups": [self._group(name) for name in self._names()]})

    def group(self, name: str) -> bytes | None:
        """/apis/GROUP."""
        if name not in self._names():
            return None
        return self._once(f"apis/{name}", lambda: {"kind": "APIGroup", "apiVersion": "v1", **self._group(name)})

    def version(self, group: str, version: str) -> bytes | None:
        """/apis/GROUP/VERSION or /api/v1."""
        found = self._of(group, version)
        if not found:
            return None
        return self._once(f"list/{group}/{version}", lambda: _resource_list(group, version, found))

    def aggregated(self, *, core: bool, form: str) -> bytes:
        """/api or /apis as an APIGroupDiscoveryList of version `form`."""
        names = [""] if core else self._names()
        return self._once(
            f"aggregated/{core}/{form}",
            lambda: {
                "kind": "APIGroupDiscoveryList",
                "apiVersion": f"apidiscovery.k8s.io/{form}",
                "metadata": {},
                "items": [self._aggregated_group(name) for name in names],
            },
        )

    def _once(self, key: str, make: Callable[[], Obj]) -> bytes:
        version = (*self._resources, *((one.service["spec"], one.resources) for one in self._remotes.values()))
        if version != self._version:
            self._made.clear()
            self._version = version
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = encoding.dumps(make())
        return made

    def _names(self) -> list[str]:
        present = ({resource.group for resource in self._resources} | {group for group, _ in self._remotes}) - {""}
        known = [name for name in _GROUP_ORDER if name in present]
        return known + sorted(present - set(known))

    def _versions(self, group: str) -> list[str]:
        """The preferred version first."""
        here = dict.fromkeys(resource.version for resource in self._resources if resource.group == group)
        remote = [one for one in self._remotes.values() if one.group == group and one.version not in here]
        remote.sort(key=lambda one: -one.service["spec"].get("versionPriority", 0))
        return [*here, *(one.version for one in remote)]

    def _of(self, group: str, version: str) -> list[Resource]:
        found = [one for one in self._resources if one.group == group and one.version == version]
        return sorted(found, key=lambda one: one.plural)

    def _group(self, name: str) -> Obj:
        versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in self._versions(name)]
        return {"name": name, "versions": versions, "preferredVersion": versions[0]}

    def _aggregated_group(self, name: str) -> Obj:
        versions = [
            {
                "version": version,
                "resources": self._aggregated_resources(name, version),
                "freshness": "Current",
            }
            for version in self._versions(name)
        ]
        return {"metadata": {"name": name} if name else {}, "versions": versions}

    def _aggregated_resources(self, group: str, version: str) -> list[Obj]:
        remote = self._remotes.get((group, version))
        if remote is not None:
            return _aggregated_entries(remote)
        return [_aggregated_resource(resource) for resource in self._of(group, version)]


def _aggregated_entries(remote: Remote) -> list[Obj]:
    """From the entries of an APIResourceList to those of aggregated discovery."""
    made: dict[str, Obj] = {}
    for entry in remote.resources:
        plural, _, subresource = entry["name"].partition("/")
        group, version = entry.get("group") or remote.group, entry.get("version") or remote.version
        kind = {"group": group, "version": version, "kind": entry["kind"]}
        if subresource:
            below = {"subresource": subresource, "responseKind": kind, "verbs": entry["verbs"]}
            made.setdefault(plural, {}).setdefault("subresources", []).append(below)
            continue
        made.setdefault(plural, {}).update(
            {
                "resource": plural,
                "responseKind": kind,
                "scope": "Namespaced" if entry["namespaced"] else "Cluster",
                "singularResource": entry.get("singularName") or "",
                "verbs": entry["verbs"],
                **{key: entry[key] for key in ("shortNames", "categories") if entry.get(key)},
            }
        )
    return [entry for entry in made.values() if "resource" in entry]


def verbs_of(resource: Resource) -> tuple[str, ...]:
    """Namespaces have no deletecollection."""
    if resource.plural == "namespaces" and not resource.group:
        return tuple(verb for verb in resource.verbs if verb != "deletecollection")
    return resource.verbs


def subresource_verbs(resource: Resource, name: str) -> tuple[str, ...]:
    """What may be done with a subresource that the resource has."""
    return _subresource(resource, name)[1]


def _resource_list(group: str, version: str, found: list[Resource]) -> Obj:
    entries = []
    for resource in found:
        entries.append(_entry(resource))
        entries += [_subentry(resource, name) for name in sorted(resource.subresources)]
    group_version = f"{group}/{version}" if group else version
    head: Obj = {"kind": "APIResourceList"} | ({"apiVersion": "v1"} if group else {})
    return head | {"groupVersion": group_version, "resources": entries}


def _entry(resource: Resource) -> Obj:
    entry: Obj = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(verbs_of(resource)),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if "watch" in resource.verbs:
        entry["storageVersionHash"] = _storage_hash(resource)
    return entry


def _subentry(resource: Resource, name: str) -> Obj:
    kind, verbs, api_version = _subresource(resource, name)
    entry: Obj = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind or resource.kind,
        "verbs": list(verbs),
    }
    if api_version:
        entry["group"], _, entry["version"] = api_version.rpartition("/")
    return entry


def _aggregated_resource(resource: Resource) -> Obj:
    entry: Obj = {
        "resource": resource.plural,
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(verbs_of(resource)),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    subresources = []
    for name in sorted(resource.subresources):
        kind, verbs, api_version = _subresource(resource, name)
        group, _, version = api_version.rpartition("/")
        answer = {"group": group, "version": version, "kind": kind or resource.kind}
        subresources.append({"subresource": name, "responseKind": answer, "verbs": list(verbs)})
    if subresources:
        entry["subresources"] = subresources
    return entry


def _subresource(resource: Resource, name: str) -> tuple[str, tuple[str, ...], str]:
    return _SUBRESOURCES.get(f"{resource.plural}/{name}") or _SUBRESOURCES[f"/{name}"]


def _storage_hash(resource: Resource) -> str:
    """k8s.io/apiserver/pkg/endpoints/discovery StorageVersionHash."""
    kept = stored(resource)
    version = "v2" if kept.plural == "horizontalpodautoscalers" else kept.version
    digest = hashlib.sha256(f"{kept.group}/{version}/{kept.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()
