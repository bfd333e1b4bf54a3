"""Server-side apply of custom resources: their own list types and map keys, through kubectl and plain HTTPS."""

from __future__ import annotations

import asyncio
import json

import yaml

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: racks.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: racks, singular: rack, kind: Rack}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer}
              slots:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [side, number]
                items:
                  type: object
                  required: [number]
                  properties:
                    number: {type: integer}
                    side: {type: string, default: front}
                    machine: {type: string}
              tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              order: {type: array, items: {type: string}}
              place: {type: object, x-kubernetes-map-type: atomic, additionalProperties: {type: string}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status:
            type: object
            properties: {size: {type: integer}}
"""


def _rack(**spec):
    return json.dumps({"apiVersion": "example.com/v1", "kind": "Rack", "metadata": {"name": "r"}, "spec": spec})


async def _apply(run_kubectl, text, manager, *args, fails=False):
    return await run_kubectl(
        "apply", "--server-side", f"--field-manager={manager}", "-f", "-", *args, stdin=text, fails=fails
    )


async def _served(run_kubectl, crd=CRD):
    await _apply(run_kubectl, crd, "admin")
    await run_kubectl("wait", "--for=condition=Established", "crd/racks.example.com", "--timeout=30s")
    async with asyncio.timeout(20):
        while "racks" not in await run_kubectl("api-resources", "--api-group=example.com", "-o", "name"):
            await asyncio.sleep(0.05)


async def _spec(run_kubectl):
    return yaml.safe_load(await run_kubectl("get", "rack", "r", "-o", "yaml"))["spec"]


async def test_lists_of_custom_resources_are_merged_as_their_schema_says(run_kubectl):
    await _served(run_kubectl)
    one = {"slots": [{"number": 1, "machine": "a"}], "tags": ["x"], "order": ["1"], "free": {"deep": {"k": 1}}}
    await _apply(run_kubectl, _rack(**one), "one")
    back = {"number": 1, "side": "back", "machine": "b"}
    await _apply(run_kubectl, _rack(slots=[back], tags=["y"], free={"deep": {"l": 2}}), "two")
    spec = await _spec(run_kubectl)
    assert spec["slots"] == [{"number": 1, "side": "front", "machine": "a"}, back]
    assert spec["tags"] == ["x", "y"]
    assert spec["free"] == {"deep": {"k": 1, "l": 2}}

    refused = await _apply(run_kubectl, _rack(slots=[{**back, "machine": "c"}], order=["2"]), "one", fails=True)
    assert '.spec.slots[number=1,side="back"].machine' in refused
    assert ".spec.order" not in refused
    doubled = await _apply(run_kubectl, _rack(tags=["x", "x"]), "one", fails=True)
    assert '.spec.tags: duplicate entries for key [="x"]' in doubled

    await _apply(run_kubectl, _rack(tags=["x"]), "one")
    spec = await _spec(run_kubectl)
    assert spec == {"slots": [back], "tags": ["x", "y"], "free": {"deep": {"l": 2}}}


async def test_a_custom_resource_that_is_scaled_is_owned_by_who_scaled_it(run_kubectl):
    await _served(run_kubectl)
    await _apply(run_kubectl, _rack(size=1), "one")
    await run_kubectl("scale", "rack/r", "--replicas=3")
    refused = await _apply(run_kubectl, _rack(size=1), "one", fails=True)
    assert 'conflict with "kubectl" with subresource "scale" using example.com/v1: .spec.size' in refused


async def test_managers_of_one_version_are_known_in_another(run_kubectl):
    document = yaml.safe_load(CRD)
    first = document["spec"]["versions"][0]
    document["spec"]["versions"].append({**first, "name": "v2", "storage": False})
    await _served(run_kubectl, yaml.safe_dump(document))
    await _apply(run_kubectl, _rack(size=1, tags=["x", "z"]), "one")
    newer = _rack(size=2, tags=["y"]).replace("example.com/v1", "example.com/v2")
    refused = await _apply(run_kubectl, newer, "two", fails=True)
    assert 'conflict with "one": .spec.size' in refused
    await _apply(run_kubectl, newer, "two", "--force-conflicts")
    assert await _spec(run_kubectl) == {"size": 2, "tags": ["x", "z", "y"]}
    await _apply(run_kubectl, _rack(tags=["x"]).replace("example.com/v1", "example.com/v2"), "one")
    assert await _spec(run_kubectl) == {"size": 2, "tags": ["x", "y"]}
