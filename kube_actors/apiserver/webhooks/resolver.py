"""Where a webhook is: the url of its clientConfig, or an endpoint of its service.

Kubernetes' API server goes to the service's cluster address, or to endpoints where it is told to; ours goes to a
ready endpoint and to the cluster address only where there are no slices: an API server outside of the cluster's network
reaches more so.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, labels_of
from kube_actors.api.resources import ENDPOINT_SLICES, SERVICES, Resource

HTTPS = 443
SERVICE_LABEL = "kubernetes.io/service-name"


class NotFound(Exception):
    """There is nothing to connect to; the text is Kubernetes'."""


class Lookup(Protocol):
    def cached(self, resource: Resource, namespace: str, name: str) -> Obj | None: ...

    def all(self, resource: Resource, namespace: str = "") -> list[Obj]: ...


@dataclass(frozen=True, slots=True)
class Address:
    """`url` is what errors and the Host header say, `server_name` what the certificate has to say."""

    url: str
    host: str
    port: int
    server_name: str


def url_of(config: Obj) -> str:
    """The url of a clientConfig: its own, or that of the service by its cluster name."""
    service = config.get("service")
    if service is None:
        return str(config.get("url") or "")
    path = (service.get("path") or "/").lstrip("/")
    return f"https://{service['name']}.{service['namespace']}.svc:{service.get('port') or HTTPS}/{path}"


def resolve(lookup: Lookup, config: Obj) -> Address:
    """Where to connect for a clientConfig. Raises NotFound."""
    url, service = url_of(config), config.get("service")
    parts = urlsplit(url)
    name = parts.hostname or ""
    if service is None:
        return Address(url, name, parts.port or HTTPS, name)
    host, port = _locate(lookup, service)
    return Address(url, host, port, name)


def _locate(lookup: Lookup, reference: Obj) -> tuple[str, int]:
    namespace, name, port = reference["namespace"], reference["name"], reference.get("port") or HTTPS
    service = lookup.cached(SERVICES, namespace, name)
    if service is None:
        raise NotFound(f'service "{name}" not found')
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return spec["externalName"], port
    wanted = next((one for one in spec.get("ports") or () if one["port"] == port), None)
    if wanted is None:
        raise NotFound(f'no service port {port} found for service "{name}"')
    slices = [one for one in lookup.all(ENDPOINT_SLICES, namespace) if labels_of(one).get(SERVICE_LABEL) == name]
    found = [place for one in slices for place in _places(one, wanted.get("name") or "")]
    if found:
        return random.choice(found)
    if slices or spec.get("clusterIP") in (None, "", "None"):
        raise NotFound(f'no endpoints available for service "{name}"')
    return spec["clusterIP"], port


def _places(endpoint_slice: Obj, port_name: str) -> list[tuple[str, int]]:
    ports = endpoint_slice.get("ports") or ()
    port = next((one.get("port") for one in ports if (one.get("name") or "") == port_name), None)
    if port is None:
        return []
    ready = [one for one in endpoint_slice.get("endpoints") or () if get_path(one, "conditions", "ready") is not False]
    return [(address, port) for one in ready for address in one.get("addresses") or ()]
