"""Resources by the kind that an object names: built-in ones, and what the server knows besides."""

from __future__ import annotations

from typing import cast

from kube_actors.api.resources import BUILTIN, Resource
from kube_actors.client.interface import Client
from kube_actors.controllers.namespace.controller import Discovery


async def resource_of(client: Client, api_version: str, kind: str) -> Resource | None:
    """The resource of that kind, None for one that is not served. Raises what discovery raises."""
    known = BUILTIN.of_kind(api_version, kind)
    if known is not None:
        return known
    found = await cast(Discovery, client).discover()
    return next((each for each in found if (each.api_version, each.kind) == (api_version, kind)), None)
