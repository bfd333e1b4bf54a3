"""The environment of a container, as a pure function of the pod and the objects that it refers to.

Later definitions win: service variables, then envFrom in order, then env in order. A value may refer to
what was defined before it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.node.containers.expansion import expand
from kube_actors.node.containers.field_refs import PodAddresses, field_value, resource_value

CONFIG_MAP, SECRET = "configmap", "secret"
_TITLES = {CONFIG_MAP: "ConfigMap", SECRET: "Secret"}


class ConfigFailure(Exception):
    """The container cannot be configured: CreateContainerConfigError with this text."""


@dataclass(frozen=True, slots=True)
class Source:
    """A ConfigMap or Secret that an environment refers to."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class EnvironmentInputs:
    """`sources` holds what was found; a source that is missing there does not exist."""

    addresses: PodAddresses
    sources: Mapping[Source, Obj] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)


def sources_of(container: Obj) -> set[Source]:
    """The ConfigMaps and Secrets that the container's environment refers to."""
    found: set[Source] = set()
    for each in container.get("envFrom") or ():
        for key, kind in (("configMapRef", CONFIG_MAP), ("secretRef", SECRET)):
            if each.get(key):
                found.add(Source(kind, str(each[key].get("name") or "")))
    for each in container.get("env") or ():
        origin = each.get("valueFrom") or {}
        for key, kind in (("configMapKeyRef", CONFIG_MAP), ("secretKeyRef", SECRET)):
            if origin.get(key):
                found.add(Source(kind, str(origin[key].get("name") or "")))
    return found


def environment(pod: Obj, container: Obj, inputs: EnvironmentInputs) -> dict[str, str]:
    """Raises ConfigFailure with Kubernetes' text."""
    result = dict(inputs.services)
    for each in container.get("envFrom") or ():
        result.update(_env_from(each, inputs))
    # References see service variables and envFrom, but those are overridden by env of the same name.
    for each in container.get("env") or ():
        value = _value(pod, container, each, result.get, inputs)
        if value is not None:
            result[str(each["name"])] = value
    return result


def _env_from(entry: Obj, inputs: EnvironmentInputs) -> Iterable[tuple[str, str]]:
    prefix = str(entry.get("prefix") or "")
    for key, kind in (("configMapRef", CONFIG_MAP), ("secretRef", SECRET)):
        ref = entry.get(key)
        if not ref:
            continue
        name = str(ref.get("name") or "")
        source = inputs.sources.get(Source(kind, name))
        if source is None:
            if ref.get("optional"):
                continue
            raise ConfigFailure(f'{kind} "{name}" not found')
        for each, value in sorted(texts_of(source).items()):
            yield prefix + each, value


def _value(
    pod: Obj, container: Obj, entry: Obj, known: Callable[[str], str | None], inputs: EnvironmentInputs
) -> str | None:
    origin = entry.get("valueFrom")
    if not origin:
        return expand(str(entry.get("value") or ""), known)
    try:
        if origin.get("fieldRef"):
            return field_value(pod, str(origin["fieldRef"]["fieldPath"]), inputs.addresses)
        if origin.get("resourceFieldRef"):
            return resource_value(pod, container, origin["resourceFieldRef"], inputs.addresses.node_allocatable)
    except ValueError as error:
        raise ConfigFailure(str(error)) from error
    for key, kind in (("configMapKeyRef", CONFIG_MAP), ("secretKeyRef", SECRET)):
        if origin.get(key):
            return _key_value(pod, origin[key], kind, inputs)
    raise ConfigFailure(f"environment variable {entry['name']} has a source that this node does not know")


def _key_value(pod: Obj, ref: Obj, kind: str, inputs: EnvironmentInputs) -> str | None:
    name, key = str(ref.get("name") or ""), str(ref["key"])
    source = inputs.sources.get(Source(kind, name))
    if source is None:
        if ref.get("optional"):
            return None
        raise ConfigFailure(f'{kind} "{name}" not found')
    texts = texts_of(source)
    if key in texts:
        return texts[key]
    if ref.get("optional"):
        return None
    raise ConfigFailure(f"couldn't find key {key} in {_TITLES[kind]} {pod['metadata']['namespace']}/{name}")


def texts_of(source: Obj) -> dict[str, str]:
    """The entries of a ConfigMap or Secret as text; what is no text is left out."""
    data = source.get("data") or {}
    if source.get("kind") != "Secret":
        return {key: str(value) for key, value in data.items()}
    return {key: base64.b64decode(value or "").decode("utf-8", "replace") for key, value in data.items()}


def service_variables(services: Iterable[Obj], namespace: str, *, links: bool) -> dict[str, str]:
    """{NAME}_SERVICE_HOST and its like of the namespace's services, and always of default/kubernetes."""
    found: dict[str, str] = {}
    for each in sorted(services, key=lambda obj: str(obj["metadata"]["name"])):
        metadata, spec = each["metadata"], each["spec"]
        master = metadata["namespace"] == "default" and metadata["name"] == "kubernetes"
        if not master and not (links and metadata["namespace"] == namespace):
            continue
        if spec.get("clusterIP") and spec["clusterIP"] != "None" and spec.get("ports"):
            found.update(_service_variables(str(metadata["name"]), spec))
    return found


def _service_variables(name: str, spec: Obj) -> Iterable[tuple[str, str]]:
    prefix, host, ports = name.upper().replace("-", "_"), str(spec["clusterIP"]), spec["ports"]
    yield f"{prefix}_SERVICE_HOST", host
    yield f"{prefix}_SERVICE_PORT", str(ports[0]["port"])
    for each in ports:
        if each.get("name"):
            yield f"{prefix}_SERVICE_PORT_{str(each['name']).upper().replace('-', '_')}", str(each["port"])
    address = f"[{host}]" if ":" in host else host
    for index, each in enumerate(ports):
        protocol, port = str(each.get("protocol") or "TCP"), each["port"]
        url = f"{protocol.lower()}://{address}:{port}"
        if index == 0:
            yield f"{prefix}_PORT", url
        link = f"{prefix}_PORT_{port}_{protocol.upper()}"
        yield link, url
        yield f"{link}_PROTO", protocol.lower()
        yield f"{link}_PORT", str(port)
        yield f"{link}_ADDR", host
