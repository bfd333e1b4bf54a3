"""Custom resources as kubectl and plain HTTPS clients live with them."""

from __future__ import annotations

import asyncio

import yaml

from kube_actors.apiserver.server import ApiServer

from .conftest import ask

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRONTABS = "/apis/stable.example.com/v1/namespaces/default/crontabs"
MERGE = {"Content-Type": "application/merge-patch+json"}

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale:
        specReplicasPath: .spec.replicas
        statusReplicasPath: .status.replicas
        labelSelectorPath: .status.selector
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec, description: The cron spec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Image, type: string, jsonPath: .spec.image, priority: 1}
    schema:
      openAPIV3Schema:
        type: object
        description: A table of jobs.
        properties:
          spec:
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string, pattern: '^(\\S+ ){4}\\S+$', description: When it runs.}
              image: {type: string, default: busybox}
              replicas:
                type: integer
                minimum: 1
                default: 2
                x-kubernetes-validations:
                - {rule: self <= 10, messageExpression: "'at most 10, not ' + (self > 100 ? 'so' : 'that') + ' many'"}
          status:
            type: object
            x-kubernetes-preserve-unknown-fields: true
"""

CRONTAB = """
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: nightly, labels: {app: jobs}}
spec: {cronSpec: '0 3 * * *'}
"""


async def until(http, path, wanted=200):
    """Ask until the answer has the status; what it was."""
    async with asyncio.timeout(10):
        while True:
            status, body = await ask(http, "GET", path)
            if status == wanted:
                return body
            await asyncio.sleep(0.02)


async def test_kubectl_works_on_a_custom_resource_as_on_any(run_kubectl):
    await run_kubectl("apply", "-f", "-", stdin=CRD)
    await run_kubectl("wait", "--for=condition=Established", "crd/crontabs.stable.example.com", "--timeout=10s")
    assert "crontab.stable.example.com/nightly created" in await run_kubectl("apply", "-f", "-", stdin=CRONTAB)
    rows = (await run_kubectl("get", "ct")).splitlines()
    assert rows[0].split() == ["NAME", "SPEC", "REPLICAS", "READY"]
    assert rows[1].split() == ["nightly", "0", "3", "*", "*", "*", "2"]
    assert "busybox" in await run_kubectl("get", "crontab", "nightly", "-o", "wide")
    assert "nightly" in await run_kubectl("get", "all")
    assert "When it runs." in await run_kubectl("explain", "crontabs.spec.cronSpec")
    await run_kubectl("scale", "crontab/nightly", "--replicas=4")
    assert await run_kubectl("get", "ct", "nightly", "-o", "jsonpath={.spec.replicas}") == "4"
    assert "configured" in await run_kubectl("apply", "-f", "-", stdin=CRONTAB.replace("0 3", "1 4"))
    refused = await run_kubectl("apply", "-f", "-", stdin=CRONTAB.replace("'0 3 * * *'", "never"), fails=True)
    assert "spec.cronSpec in body should match" in refused
    listed = await run_kubectl("api-resources", "--api-group=stable.example.com", "-o", "wide")
    assert "crontabs" in listed
    assert "ct" in listed
    await run_kubectl("delete", "crd", "crontabs.stable.example.com")
    assert "NotFound" in await run_kubectl("get", "crontabs.v1.stable.example.com", fails=True)


async def test_status_and_scale_are_views_of_their_own(http):
    await ask(http, "POST", CRDS, json=yaml.safe_load(CRD))
    await until(http, CRONTABS)
    status, made = await ask(http, "POST", CRONTABS, json={**yaml.safe_load(CRONTAB), "status": {"replicas": 9}})
    assert (status, made["spec"]["replicas"], "status" in made) == (201, 2, False)
    patch = {
        "spec": {"replicas": 3},
        "status": {"replicas": 1, "selector": "app=jobs"},
        "metadata": {"labels": {"x": "y"}},
    }
    _, updated = await ask(http, "PATCH", f"{CRONTABS}/nightly/status", json=patch, headers=MERGE)
    assert updated["spec"]["replicas"] == 2
    assert updated["status"] == {"replicas": 1, "selector": "app=jobs"}
    assert (updated["metadata"]["generation"], updated["metadata"]["labels"]) == (1, {"app": "jobs"})
    _, scale = await ask(http, "GET", f"{CRONTABS}/nightly/scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 1, "selector": "app=jobs"})
    _, scaled = await ask(http, "PATCH", f"{CRONTABS}/nightly/scale", json={"spec": {"replicas": 5}}, headers=MERGE)
    assert scaled["spec"] == {"replicas": 5}
    status, refused = await ask(http, "PATCH", f"{CRONTABS}/nightly", json={"spec": {"replicas": 11}}, headers=MERGE)
    assert (status, refused["details"]["causes"]) == (
        422,
        [
            {
                "reason": "FieldValueInvalid",
                "message": "Invalid value: 11: at most 10, not that many",
                "field": "spec.replicas",
            }
        ],
    )


async def test_documents_tell_of_custom_resources_and_change_with_them(http):
    _, before = await ask(http, "GET", "/openapi/v3")
    await ask(http, "POST", CRDS, json=yaml.safe_load(CRD))
    await until(http, CRONTABS)
    _, index = await ask(http, "GET", "/openapi/v3")
    path = index["paths"]["apis/stable.example.com/v1"]["serverRelativeURL"]
    assert "apis/stable.example.com/v1" not in before["paths"]
    _, document = await ask(http, "GET", path)
    kind = document["components"]["schemas"]["com.example.stable.v1.CronTab"]
    assert kind["x-kubernetes-group-version-kind"] == [
        {"group": "stable.example.com", "version": "v1", "kind": "CronTab"}
    ]
    assert kind["properties"]["spec"]["properties"]["cronSpec"]["description"] == "When it runs."
    crd = yaml.safe_load(CRD)
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "Other words."
    await ask(http, "PATCH", f"{CRDS}/crontabs.stable.example.com", json={"spec": crd["spec"]}, headers=MERGE)
    async with asyncio.timeout(10):
        while (await ask(http, "GET", "/openapi/v3"))[1]["paths"]["apis/stable.example.com/v1"][
            "serverRelativeURL"
        ] == path:
            await asyncio.sleep(0.02)


async def test_instances_go_before_their_definition(http):
    await ask(http, "POST", CRDS, json=yaml.safe_load(CRD))
    await until(http, CRONTABS)
    await ask(http, "POST", CRONTABS, json=yaml.safe_load(CRONTAB))
    _, marked = await ask(http, "DELETE", f"{CRDS}/crontabs.stable.example.com")
    assert marked["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    await until(http, f"{CRDS}/crontabs.stable.example.com", 404)
    assert (await ask(http, "GET", CRONTABS))[0] == 404
    await ask(http, "POST", CRDS, json=yaml.safe_load(CRD))
    assert (await until(http, CRONTABS))["items"] == []


async def test_another_server_serves_what_is_defined_from_its_start(http, server):
    await ask(http, "POST", CRDS, json=yaml.safe_load(CRD))
    await until(http, CRONTABS)
    await ask(http, "POST", CRONTABS, json=yaml.safe_load(CRONTAB))
    second = ApiServer(server.config)
    await second.start()
    try:
        status, found = await ask(http, "GET", f"https://127.0.0.1:{second.rest_port}{CRONTABS}/nightly")
        assert (status, found["spec"]["replicas"]) == (200, 2)
        await ask(http, "DELETE", f"{CRDS}/crontabs.stable.example.com")
        await until(http, f"https://127.0.0.1:{second.rest_port}{CRONTABS}", 404)
    finally:
        await second.stop()
