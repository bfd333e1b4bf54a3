"""What kubectl shows of admission: refusals, warnings, and what was filled in."""

from __future__ import annotations

import asyncio
import json

import yaml

POD = """
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - {name: c, image: i, resources: {limits: {cpu: 600m}}}
"""
LIMITS = """
apiVersion: v1
kind: LimitRange
metadata: {name: bounds}
spec:
  limits:
  - {type: Container, default: {memory: 128Mi}, max: {cpu: 500m}}
"""
POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: replicas}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments, deployments/scale]}
  validations:
  - {expression: object.spec.replicas <= 3, messageExpression: "'at most 3, not ' + string(object.spec.replicas)"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: everywhere}
spec: {policyName: replicas, validationActions: [Deny]}
"""


async def settled(run_kubectl) -> None:
    """Until the server's own cache has what was written: a consistent read waits for that."""
    await run_kubectl("get", "limitranges,resourcequotas,validatingadmissionpolicies", "-A")


async def test_limits_are_shown_by_what_breaks_them(run_kubectl):
    await run_kubectl("apply", "-f", "-", stdin=LIMITS)
    await settled(run_kubectl)
    refused = await run_kubectl("create", "-f", "-", stdin=POD, fails=True)
    assert refused.splitlines()[-1] == (
        'Error from server (Forbidden): error when creating "STDIN": pods "a" is forbidden: maximum cpu usage per '
        "Container is 500m, but limit is 600m"
    )


async def test_a_quota_is_shown_with_what_is_asked_used_and_allowed(run_kubectl):
    await run_kubectl("create", "quota", "q", "--hard=configmaps=1,count/secrets=0")
    status = {"hard": {"configmaps": "1", "count/secrets": "0"}, "used": {"configmaps": "1", "count/secrets": "0"}}
    patch = json.dumps({"status": status})
    await run_kubectl("patch", "quota", "q", "--subresource=status", "--type=merge", "-p", patch)
    await settled(run_kubectl)
    refused = await run_kubectl("create", "configmap", "b", fails=True)
    assert refused.strip() == (
        'error: failed to create configmap: configmaps "b" is forbidden: exceeded quota: q, requested: configmaps=1, '
        "used: configmaps=1, limited: configmaps=1"
    )


async def test_a_level_of_security_refuses_pods_and_warns_of_workloads(run_kubectl):
    await run_kubectl("create", "namespace", "strict")
    await run_kubectl("label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted")
    refused = await run_kubectl("run", "a", "--image=i", "-n", "strict", fails=True)
    assert (
        'pods "a" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false' in refused
    )
    wanted = await run_kubectl(
        "create", "deployment", "d", "--image=i", "-n", "strict", "--dry-run=client", "-o", "yaml"
    )
    manifest = yaml.safe_load(wanted)
    assert manifest["kind"] == "Deployment"
    process_output = await run_kubectl("create", "-f", "-", "--warnings-as-errors", stdin=wanted, fails=True)
    assert 'Warning: would violate PodSecurity "restricted:latest": allowPrivilegeEscalation' in process_output


async def test_a_policy_refuses_what_is_created_and_what_is_scaled(run_kubectl):
    await run_kubectl("apply", "-f", "-", stdin=POLICY)
    await settled(run_kubectl)
    refused = await run_kubectl("create", "deployment", "d", "--image=i", "--replicas=5", fails=True)
    text = "ValidatingAdmissionPolicy 'replicas' with binding 'everywhere' denied request: at most 3, not 5"
    assert refused.strip() == f'error: failed to create deployment: deployments.apps "d" is forbidden: {text}'
    await run_kubectl("create", "deployment", "d", "--image=i", "--replicas=2")
    scaled = await run_kubectl("scale", "deployment", "d", "--replicas=5", fails=True)
    assert scaled.strip() == f'The deployments "d" is invalid: : {text}'


async def test_old_things_are_warned_of(run_kubectl):
    manifest = yaml.safe_load(POD)
    manifest["spec"]["nodeSelector"] = {"beta.kubernetes.io/os": "linux"}
    shown = await run_kubectl("create", "-f", "-", "--warnings-as-errors", stdin=json.dumps(manifest), fails=True)
    assert shown.startswith(
        'Warning: spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'
    )
    listed = await run_kubectl("get", "endpoints", "--warnings-as-errors", fails=True)
    assert listed.startswith("Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")


async def test_three_namespaces_stay(run_kubectl):
    refused = await asyncio.gather(
        *(run_kubectl("delete", "namespace", name, fails=True) for name in ("default", "kube-system"))
    )
    assert refused[0].strip() == (
        'Error from server (Forbidden): namespaces "default" is forbidden: this namespace may not be deleted'
    )
