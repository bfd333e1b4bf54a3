"""The real kubectl against the REST address."""

from __future__ import annotations

import asyncio

import pytest
import yaml

from kube_actors.api.resources import DEPLOYMENTS, NAMESPACES

DEMO = """
apiVersion: v1
kind: Namespace
metadata: {name: demo}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: demo}
data: {greeting: hello}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: demo}
stringData: {password: secret}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: demo, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 8080}]
        envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: key}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


async def apply(run_kubectl, manifest: str = DEMO, *args: str) -> list[str]:
    return (await run_kubectl("apply", "-f", "-", *args, stdin=manifest)).split("\n")[:-1]


async def test_a_demo_is_applied_and_applied_again_without_a_change(run_kubectl):
    first = await apply(run_kubectl)
    assert [line.split()[-1] for line in first] == ["created"] * 5
    # A Secret with stringData is always patched: what is stored never holds it.
    second = await apply(run_kubectl)
    assert [line for line in second if not line.endswith("unchanged")] == ["secret/key configured"]
    changed = await apply(run_kubectl, DEMO.replace("replicas: 3", "replicas: 5").replace("web:1", "web:2"))
    assert "deployment.apps/web configured" in changed
    spec = yaml.safe_load(await run_kubectl("get", "deploy/web", "-n", "demo", "-o", "yaml"))["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]) == (5, "web:2")


async def test_objects_are_shown_in_every_form(run_kubectl):
    await apply(run_kubectl)
    table = (await run_kubectl("get", "svc,deploy,cm", "-n", "demo", "-o", "wide")).split("\n")
    assert table[0].split()[:5] == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)"]
    assert any(line.split()[:2] == ["deployment.apps/web", "0/3"] for line in table)
    assert (await run_kubectl("get", "cm", "-n", "demo", "-o", "name")).split() == ["configmap/settings"]
    path = "jsonpath={.data.greeting}"
    assert await run_kubectl("get", "cm", "settings", "-n", "demo", "-o", path) == "hello"
    everything = await run_kubectl("get", "all", "--all-namespaces")
    assert "service/kubernetes" in everything
    assert "deployment.apps/web" in everything
    assert "hello" in await run_kubectl("describe", "cm", "settings", "-n", "demo")
    assert "Replicas:               3 desired" in await run_kubectl("describe", "deploy", "web", "-n", "demo")
    described = await run_kubectl("describe", "svc,secret,ns", "-n", "demo")
    assert "password:  6 bytes" in described


async def test_objects_are_changed_by_small_commands(run_kubectl):
    await apply(run_kubectl)
    demo = ("-n", "demo")
    await run_kubectl("label", "cm", "settings", "tier=web", *demo)
    await run_kubectl("annotate", "cm", "settings", "note=x", *demo)
    await run_kubectl("scale", "deploy", "web", "--replicas=7", *demo)
    await run_kubectl("set", "image", "deploy/web", "web=web:3", *demo)
    await run_kubectl("patch", "cm", "settings", "--type=merge", "-p", '{"data":{"more":"1"}}', *demo)
    operations = '[{"op":"add","path":"/data/most","value":"2"}]'
    await run_kubectl("patch", "cm", "settings", "--type=json", "-p", operations, *demo)
    deployment = yaml.safe_load(await run_kubectl("get", "deploy", "web", "-o", "yaml", *demo))
    assert deployment["spec"]["replicas"] == 7
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "web:3"
    config = yaml.safe_load(await run_kubectl("get", "cm", "-l", "tier=web", "-o", "yaml", *demo))["items"][0]
    assert config["data"] == {"greeting": "hello", "more": "1", "most": "2"}
    assert config["metadata"]["annotations"]["note"] == "x"


async def test_objects_are_created_by_typed_commands(run_kubectl):
    await run_kubectl("create", "namespace", "made")
    await run_kubectl("create", "configmap", "a", "--from-literal=k=v", "-n", "made")
    await run_kubectl("create", "secret", "generic", "s", "--from-literal=k=v", "-n", "made")
    await run_kubectl("create", "deployment", "d", "--image=i", "--replicas=2", "--port=80", "-n", "made")
    await run_kubectl("expose", "deployment", "d", "--port=80", "-n", "made")
    await run_kubectl("run", "p", "--image=i", "-n", "made")
    names = (await run_kubectl("get", "cm,secret,deploy,svc,pod", "-n", "made", "-o", "name")).split()
    assert names == ["configmap/a", "secret/s", "deployment.apps/d", "service/d", "pod/p"]
    deployment = yaml.safe_load(await run_kubectl("get", "deploy", "d", "-n", "made", "-o", "yaml"))
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["template"]["spec"]["containers"][0]["ports"] == [
        {"containerPort": 80, "protocol": "TCP"}
    ]


async def test_a_deletion_waits_until_the_object_is_gone(run_kubectl):
    await run_kubectl("create", "-f", "-", stdin='{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}}')
    await run_kubectl("patch", "cm", "a", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}')
    deleting = asyncio.gather(run_kubectl("delete", "cm", "a"))
    for _ in range(100):
        if "deletionTimestamp" in await run_kubectl("get", "cm", "a", "-o", "yaml"):
            break
    assert not deleting.done()
    await run_kubectl("patch", "cm", "a", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert await deleting == ['configmap "a" deleted\n']


async def test_a_rollout_is_followed_until_it_is_done(server, run_kubectl):
    await apply(run_kubectl)
    following = asyncio.gather(run_kubectl("rollout", "status", "deploy/web", "-n", "demo", "--timeout=30s"))
    client = server.client()
    await client.start()
    deployment = await client.get(DEPLOYMENTS, "web", "demo")
    for ready in (1, 3):
        deployment["status"] = {
            "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": ready,
            "availableReplicas": ready,
        }  # fmt: skip
        deployment = await client.update_status(DEPLOYMENTS, deployment)
        await asyncio.sleep(0.3)
    await client.stop()
    [output] = await following
    assert output.endswith('deployment "web" successfully rolled out\n')


async def test_what_is_served_is_told(run_kubectl):
    assert "Server Version: v1.36.0" in await run_kubectl("version")
    resources = await run_kubectl("api-resources", "-o", "name")
    assert {"pods", "deployments.apps", "leases.coordination.k8s.io"} <= set(resources.split())
    assert "apps/v1" in (await run_kubectl("api-versions")).split()
    explained = await run_kubectl("explain", "deployment.spec.replicas")
    assert "FIELD: replicas <integer>" in explained
    assert "yes" in await run_kubectl("auth", "can-i", "create", "pods")
    assert "admin" in await run_kubectl("auth", "whoami")


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        ('{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"dta":{}}', 'unknown field "dta"'),
        ('{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"A"}}', 'Invalid value: "A"'),
        ('{"kind":"Nonsense","apiVersion":"v1","metadata":{"name":"a"}}', 'no matches for kind "Nonsense"'),
        ('{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{}}', "spec.containers: Required value"),
    ],
)
async def test_a_bad_manifest_is_refused_in_kubernetes_words(run_kubectl, manifest, text):
    assert text in await run_kubectl("create", "-f", "-", stdin=manifest, fails=True)


async def test_a_namespace_ends_with_its_finalizer(server, run_kubectl):
    await run_kubectl("create", "-f", "-", stdin='{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"x"}}')
    deleting = asyncio.gather(run_kubectl("delete", "ns", "x"))
    client = server.client()
    await client.start()
    for _ in range(100):
        namespace = await client.get(NAMESPACES, "x")
        if namespace["metadata"].get("deletionTimestamp"):
            break
        await asyncio.sleep(0.05)
    namespace["spec"] = {}
    await client.update(NAMESPACES, namespace, subresource="finalize")
    await client.stop()
    assert await deleting == ['namespace "x" deleted\n']


async def test_server_side_apply_owns_what_it_applies(run_kubectl):
    first = await apply(run_kubectl, DEMO, "--server-side")
    assert [line.split()[-1] for line in first] == ["serverside-applied"] * 5
    version = "jsonpath={.metadata.resourceVersion}"
    before = await run_kubectl("get", "deploy/web", "-n", "demo", "-o", version)
    await apply(run_kubectl, DEMO, "--server-side")
    assert await run_kubectl("get", "deploy/web", "-n", "demo", "-o", version) == before
    await run_kubectl("scale", "deploy/web", "--replicas=7", "-n", "demo")
    refused = await run_kubectl("apply", "--server-side", "-f", "-", stdin=DEMO, fails=True)
    assert 'conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas' in refused
    await apply(run_kubectl, DEMO, "--server-side", "--force-conflicts")
    shown = await run_kubectl("get", "deploy/web", "-n", "demo", "-o", "yaml", "--show-managed-fields")
    metadata = yaml.safe_load(shown)["metadata"]
    assert [(one["manager"], one["operation"]) for one in metadata["managedFields"]] == [("kubectl", "Apply")]
    assert "managedFields" not in await run_kubectl("get", "deploy/web", "-n", "demo", "-o", "yaml")


async def test_objects_applied_from_the_client_go_over_to_the_server_without_a_conflict(run_kubectl):
    await apply(run_kubectl)
    changed = DEMO.replace("replicas: 3", "replicas: 5").replace("greeting: hello", "greeting: bye")
    await apply(run_kubectl, changed, "--server-side")
    spec = yaml.safe_load(await run_kubectl("get", "deploy/web", "-n", "demo", "-o", "yaml"))["spec"]
    assert spec["replicas"] == 5
    dropped = changed.replace("data: {greeting: bye}", "data: {other: x}")
    await apply(run_kubectl, dropped, "--server-side")
    data = await run_kubectl("get", "cm/settings", "-n", "demo", "-o", "jsonpath={.data}")
    assert data == '{"other":"x"}'


async def test_a_diff_tells_what_an_apply_would_change(run_kubectl):
    await apply(run_kubectl)
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: demo}\ndata: {greeting: hello}\n"
    assert await run_kubectl("diff", "-f", "-", stdin=config) == ""
    difference = await run_kubectl("diff", "-f", "-", stdin=config.replace("hello", "bye"), fails=True, shown="output")
    assert "-  greeting: hello\n+  greeting: bye\n" in difference
    server_side = await run_kubectl(
        "diff", "--server-side", "--force-conflicts", "-f", "-", stdin=config.replace("hello", "bye"), fails=True,
        shown="output",
    )  # fmt: skip
    assert "-  greeting: hello\n+  greeting: bye\n" in server_side
    assert await run_kubectl("get", "cm/settings", "-n", "demo", "-o", "jsonpath={.data.greeting}") == "hello"
