"""Roles, nodes, impersonation and their limits, on the pipeline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import errors
from kube_actors.api.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, NODES, PODS, SECRETS, builtin
from kube_actors.apiserver import authz
from kube_actors.apiserver.authn import ANONYMOUS_USER
from kube_actors.apiserver.authn.impersonation import impersonated
from kube_actors.apiserver.authz.rbac import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from kube_actors.apiserver.authz.reconcile import DEFAULTS, merged, reconcile
from kube_actors.apiserver.authz.rules import Rule, broken_down, compact, described, missing
from kube_actors.apiserver.request import Target, User

JANE = User("jane", ("system:authenticated",))
NODE = User("system:node:n1", ("system:nodes", "system:authenticated"))
LEASES = builtin("coordination.k8s.io/v1", "leases")


def role(name: str, *rules, **more):
    return {"metadata": {"name": name}, "rules": list(rules), **more}


def rule(verbs: str, resources: str, groups: str = "", **more):
    return {"verbs": verbs.split(), "resources": resources.split(), "apiGroups": groups.split() or [""], **more}


def binding(name: str, kind: str, subject: tuple[str, str] = ("User", "jane"), **more):
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
    return {"metadata": {"name": name}, "subjects": [{"kind": subject[0], "name": subject[1], **more}], "roleRef": ref}


@pytest.fixture
def may(api):
    async def ask(user, verb, resource, namespace="default", name="", subresource="", fields=""):
        await api.pipeline.cache.fresh()
        target = Target(resource, namespace, name, subresource)
        return api.pipeline.authorizer.decide(user, verb, target, fields)

    return ask


async def test_a_role_allows_in_its_namespace_and_a_cluster_role_everywhere(api, may):
    await api.create(ROLES, role("r", rule("get list", "pods pods/log")))
    await api.create(ROLE_BINDINGS, binding("r", "Role"))
    await api.create(CLUSTER_ROLES, role("c", rule("*", "*/scale", "apps")))
    await api.create(CLUSTER_ROLE_BINDINGS, binding("c", "ClusterRole", ("Group", "system:authenticated")))
    assert (await may(JANE, "get", PODS, name="a")).reason == (
        'RBAC: allowed by RoleBinding "r/default" of Role "r" to User "jane"'
    )
    assert (await may(JANE, "get", PODS, subresource="log")).allowed
    assert not (await may(JANE, "get", PODS, subresource="exec")).allowed
    assert not (await may(JANE, "get", PODS, "other")).allowed
    assert (await may(JANE, "patch", DEPLOYMENTS, "other", subresource="scale")).allowed
    assert not (await may(JANE, "patch", DEPLOYMENTS, "other")).allowed
    assert not (await may(ANONYMOUS_USER, "get", PODS)).allowed


async def test_resource_names_limit_and_a_change_counts_at_once(api, may):
    await api.create(CLUSTER_ROLES, role("c", rule("get", "secrets", resourceNames=["a"]), rule("get", "configmaps")))
    await api.create(ROLE_BINDINGS, binding("c", "ClusterRole", ("ServiceAccount", "robot")))
    robot = User("system:serviceaccount:default:robot")
    assert (await may(robot, "get", SECRETS, name="a")).allowed
    assert not (await may(robot, "get", SECRETS, name="b")).allowed
    assert not (await may(robot, "get", SECRETS)).allowed
    assert (await may(robot, "get", CONFIGMAPS, name="b")).allowed
    await api.delete(CLUSTER_ROLES, "c")
    verdict = await may(robot, "get", CONFIGMAPS, name="b")
    assert not verdict.allowed
    assert verdict.reason == 'RBAC: clusterrole.rbac.authorization.k8s.io "c" not found'


async def test_a_list_of_one_object_by_name_needs_no_more_than_that_object(api):
    await api.create(ROLES, role("r", rule("list", "configmaps", resourceNames=["a"])))
    await api.create(ROLE_BINDINGS, binding("r", "Role"))
    await api.pipeline.cache.fresh()
    api.user = JANE
    await api.list(CONFIGMAPS, "default", fields="metadata.name=a")
    with pytest.raises(errors.Forbidden, match=r'^configmaps "b" is forbidden: User "jane" cannot list resource'):
        await api.list(CONFIGMAPS, "default", fields="metadata.name=b")
    with pytest.raises(errors.Forbidden, match=r'^namespaces "x" is forbidden.*in the namespace "x"$'):
        await api.get(NAMESPACES, "x")


async def test_nobody_gives_what_he_has_not(api):
    rbac = rule("create update bind", "roles rolebindings", "rbac.authorization.k8s.io", resourceNames=["bound"])
    await api.create(ROLES, role("maker", {**rbac, "verbs": ["create", "update", "get"], "resourceNames": []}, rbac))
    await api.create(ROLE_BINDINGS, binding("maker", "Role"))
    await api.create(ROLES, role("bound", rule("*", "*", "*")))
    await api.pipeline.cache.fresh()
    api.user = JANE
    await api.create(ROLES, role("same", rule("get", "roles", "rbac.authorization.k8s.io")))
    with pytest.raises(errors.Forbidden) as refused:
        await api.create(ROLES, role("more", rule("get list", "secrets")))
    assert refused.value.message == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "jane" (groups=["system:authenticated"]) is '
        "attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}'
    )
    await api.create(ROLE_BINDINGS, binding("bound", "Role"))
    with pytest.raises(errors.NotFound, match=r'^rolebindings.rbac.authorization.k8s.io "absent" not found$'):
        await api.create(ROLE_BINDINGS, binding("absent", "Role"))


async def test_a_node_sees_what_its_pods_need_and_nothing_else(api, may, new_pod):
    volumes = [{"name": "v", "configMap": {"name": "c"}}, {"name": "w", "secret": {"secretName": "s"}}]
    await api.create(PODS, new_pod("a", nodeName="n1", volumes=volumes))
    await api.create(PODS, new_pod("b", nodeName="n2", imagePullSecrets=[{"name": "other"}]))
    assert (await may(NODE, "get", SECRETS, name="s")).allowed
    assert (await may(NODE, "watch", CONFIGMAPS, name="c")).allowed
    refused = await may(NODE, "get", SECRETS, name="other")
    assert refused.reason == "no relationship found between node 'n1' and this object"
    assert not (await may(NODE, "list", SECRETS)).allowed
    assert not (await may(NODE, "update", SECRETS, name="s")).allowed
    assert (await may(NODE, "list", PODS, "", fields="spec.nodeName=n1")).allowed
    assert not (await may(NODE, "list", PODS, "")).allowed
    assert (await may(NODE, "get", PODS, name="a")).allowed
    assert not (await may(NODE, "get", PODS, name="b")).allowed
    assert (await may(NODE, "update", LEASES, "kube-node-lease", "n1")).allowed
    assert not (await may(NODE, "update", LEASES, "kube-node-lease", "n2")).allowed
    await api.delete(PODS, "a", grace_seconds=0)
    assert not (await may(NODE, "get", SECRETS, name="s")).allowed


async def test_a_node_changes_itself_but_not_its_taints_and_its_own_pods_only(api, new_pod):
    await api.create(PODS, new_pod("b", nodeName="n2"))
    api.user = NODE
    await api.create(NODES, {"metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1", "mine": "x"}}})
    with pytest.raises(errors.Forbidden, match='node "n1" is not allowed to modify node "n2"'):
        await api.create(NODES, {"metadata": {"name": "n2"}})
    with pytest.raises(errors.Forbidden, match='node "n1" is not allowed to modify taints'):
        await api.patch(NODES, "n1", {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}})
    with pytest.raises(errors.Forbidden, match=r"is not allowed to modify labels: node-role.kubernetes.io/x"):
        await api.patch(NODES, "n1", {"metadata": {"labels": {"node-role.kubernetes.io/x": ""}}})
    with pytest.raises(errors.Forbidden, match=r'"n1" can only update pod status for pods with spec.nodeName set to'):
        await api.patch(PODS, "b", {"status": {"phase": "Running"}}, subresource="status")
    with pytest.raises(errors.Forbidden, match=r'"n1" can only delete pods with spec.nodeName set to itself'):
        await api.delete(PODS, "b", grace_seconds=0)


async def test_the_default_roles_are_kept_and_what_was_added_stays(api, may):
    for name in ("kube-system", "kube-public"):
        await api.create(NAMESPACES, {"metadata": {"name": name}})
    await reconcile(api.pipeline.operations, api.user)
    await api.pipeline.cache.fresh()
    view = await api.get(CLUSTER_ROLES, "system:basic-user")
    scheduler = User("system:kube-scheduler", ("system:authenticated",))
    assert (await may(scheduler, "create", PODS, subresource="binding")).allowed
    assert not (await may(scheduler, "get", SECRETS)).allowed
    assert api.pipeline.authorizer.decide_path(ANONYMOUS_USER, "get", "/healthz").allowed
    assert not api.pipeline.authorizer.decide_path(ANONYMOUS_USER, "get", "/api").allowed
    assert api.pipeline.authorizer.decide_path(JANE, "get", "/openapi/v3/apis").allowed
    writes = api.storage.writes
    await reconcile(api.pipeline.operations, api.user)
    assert api.storage.writes == writes
    view["rules"] = [rule("get", "pods")]
    await api.update(CLUSTER_ROLES, view)
    await api.pipeline.cache.fresh()
    await reconcile(api.pipeline.operations, api.user)
    assert len((await api.get(CLUSTER_ROLES, "system:basic-user"))["rules"]) == 3


def test_a_default_that_is_marked_so_is_left_alone():
    wanted = DEFAULTS[0][1][0]
    mark = {"rbac.authorization.kubernetes.io/autoupdate": "false"}
    assert merged({"metadata": {"annotations": mark}, "rules": []}, wanted) is None
    assert merged({**wanted, "rules": []}, wanted) == wanted
    assert merged(wanted, wanted) is None


async def test_who_may_acts_as_another(api):
    await api.create(CLUSTER_ROLES, role("i", rule("impersonate", "users groups", resourceNames=["joe", "dev"])))
    await api.create(CLUSTER_ROLE_BINDINGS, binding("i", "ClusterRole"))
    await api.pipeline.cache.fresh()
    authorizer = api.pipeline.authorizer
    wanted = [("impersonate-user", "joe"), ("impersonate-group", "dev"), ("accept", "x")]
    assert impersonated(JANE, wanted, authorizer) == User("joe", ("dev", "system:authenticated"))
    assert impersonated(JANE, [("accept", "x")], authorizer) is JANE
    for one in (("impersonate-user", "ann"), ("impersonate-extra-scopes", "x"), ("impersonate-group", "ops")):
        with pytest.raises(errors.Forbidden, match='User "jane" cannot impersonate resource'):
            impersonated(JANE, [*wanted, one] if one[0] != "impersonate-user" else [one], authorizer)
    robot = impersonated(api.user, [("impersonate-user", "system:serviceaccount:a:b")], authorizer)
    assert robot.groups == ("system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated")
    extra = impersonated(api.user, [("impersonate-user", "x"), ("impersonate-extra-a%2fb", "1")], authorizer)
    assert extra.extra == (("a/b", ("1",)),)
    with pytest.raises(errors.InternalError, match="without impersonating a user"):
        impersonated(api.user, [("impersonate-group", "x")], authorizer)


def test_a_refusal_tells_why():
    error = authz.forbidden(JANE, "get", Target(SECRETS, "a", "b"), "no relationship")
    assert error.message.endswith('in the namespace "a": no relationship')


words = st.lists(st.sampled_from(["a", "b", "*", "a/x", "*/x"]), min_size=1, max_size=3).map(tuple)
names = st.lists(st.sampled_from(["n", "m"]), max_size=2).map(tuple)
some_rules = st.lists(st.builds(Rule, words, words, words, names), max_size=3)


@given(some_rules)
def test_whoever_has_rules_lacks_none_of_them(rules):
    assert missing(rules, rules) == []


@given(some_rules, some_rules, st.sampled_from(["a", "b"]), st.sampled_from(["a", "b"]), st.sampled_from(["", "x"]))
def test_what_is_not_missing_is_allowed_already(owned, wanted, verb, resource, subresource):
    if missing(owned, wanted):
        return
    asked = (verb, "a", resource, subresource)

    def allowed(rules):
        return any(one.allows(*asked) and (not one.names or "n" in one.names) for one in rules)

    assert allowed(owned) or not allowed(wanted)


@given(some_rules)
def test_joined_rules_say_the_same(rules):
    parts = [part for one in rules for part in broken_down(one)]
    again = [part for one in compact(parts) for part in broken_down(one)]
    assert set(again) == set(parts)
    assert all(described(one).startswith("{") for one in compact(parts))


async def test_who_may_only_change_objects_creates_none_by_applying_or_replacing(api):
    rules = (rule("update patch", "configmaps"), rule("update", "leases", "coordination.k8s.io"))
    await api.create(ROLES, role("r", *rules))
    await api.create(ROLE_BINDINGS, binding("r", "Role"))
    await api.create(CONFIGMAPS, {"metadata": {"name": "there"}})
    await api.pipeline.cache.fresh()
    api.user = JANE
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "there"}, "data": {"k": "1"}}
    await api.patch(CONFIGMAPS, "there", config, "apply-patch+yaml", field_manager="m")
    absent = {**config, "metadata": {"name": "absent"}}
    with pytest.raises(errors.Forbidden, match='cannot create resource "configmaps"'):
        await api.patch(CONFIGMAPS, "absent", absent, "apply-patch+yaml", field_manager="m")
    with pytest.raises(errors.Forbidden, match='cannot create resource "leases"'):
        await api.update(LEASES, {"metadata": {"name": "l", "namespace": "default"}, "spec": {}})
    with pytest.raises(errors.NotFound):
        await api.update(CONFIGMAPS, {"metadata": {"name": "absent", "namespace": "default"}})
