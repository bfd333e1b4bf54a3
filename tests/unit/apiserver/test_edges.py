"""What stands at the edges: paths, media types, credentials, the words of health and discovery."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import encoding, errors
from kube_actors.api.resources import BUILTIN, DEPLOYMENTS, NAMESPACES
from kube_actors.apiserver import authz
from kube_actors.apiserver.authn import ANONYMOUS_USER, Authenticator, StaticTokens
from kube_actors.apiserver.cache.cache import prefixes
from kube_actors.apiserver.config import StaticToken
from kube_actors.apiserver.registry.metadata import new_uid
from kube_actors.apiserver.request import Target, User
from kube_actors.apiserver.rest import negotiation, query
from kube_actors.apiserver.rest.discovery import Discovery, verbs_of
from kube_actors.apiserver.rest.paths import ResourcePath, parse
from kube_actors.rpc.tls import Identity


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/pods", ResourcePath("", "v1", "", "pods")),
        ("/api/v1/namespaces/a/pods/b/log", ResourcePath("", "v1", "a", "pods", "b", "log")),
        ("/api/v1/namespaces/a", ResourcePath("", "v1", "", "namespaces", "a")),
        ("/api/v1/namespaces/a/finalize", ResourcePath("", "v1", "", "namespaces", "a", "finalize")),
        ("/apis/apps/v1/namespaces/a/deployments/", ResourcePath("apps", "v1", "a", "deployments")),
        ("/apis/apps/v1/watch/deployments", ResourcePath("apps", "v1", "", "deployments", watch=True)),
        (
            "/api/v1/namespaces/a/services/b:http/proxy/x/y",
            ResourcePath("", "v1", "a", "services", "b:http", "proxy", "x/y"),
        ),
        ("/api/v1/namespaces/a/configmaps/b%3Ac", ResourcePath("", "v1", "a", "configmaps", "b:c")),
        ("/apis/apps/v1", None),
        ("/api", None),
        ("/version", None),
    ],
)
def test_a_path_says_what_is_asked_for(path, expected):
    assert parse(path) == expected


@pytest.mark.parametrize("resource", list(BUILTIN), ids=lambda one: f"{one.qualified}.{one.version}")
def test_every_resource_is_found_by_its_own_path(resource):
    path = parse(resource.path("ns" if resource.namespaced else "", "x"))
    assert path is not None
    assert BUILTIN.find(path.group, path.version, path.resource) is resource
    assert path.name == "x"


def test_the_cache_can_tell_every_resource_by_its_keys():
    assert {resource.store_prefix for resource in BUILTIN} == prefixes(BUILTIN)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", negotiation.Form()),
        ("application/vnd.kubernetes.protobuf,application/json", negotiation.Form()),
        ("application/json;as=Table;v=v1;g=meta.k8s.io", negotiation.Form(shape="Table", shape_version="v1")),
        ("application/json;q=0.5, application/yaml", negotiation.Form("application/yaml")),
        ("application/xml, */*", negotiation.Form()),
    ],
)
def test_the_first_form_that_can_be_given_is_given(accept, form):
    assert negotiation.accepted(accept) == form


@pytest.mark.parametrize("accept", ["application/xml", "application/json;as=Nonsense;v=v1;g=meta.k8s.io"])
def test_a_form_that_cannot_be_given_is_refused(accept):
    with pytest.raises(errors.NotAcceptable):
        negotiation.accepted(accept)


def test_certificates_come_before_tokens_and_wrong_tokens_are_refused():
    token = StaticToken("secret", "jane", "7", ("dev",))
    authenticator = Authenticator([StaticTokens([token])])
    jane = User("jane", ("dev", "system:authenticated"), "7")
    assert authenticator.authenticate(None, "Bearer secret") == jane
    assert authenticator.authenticate(None, "bearer  secret ") == jane
    assert authenticator.authenticate(Identity("joe", ()), "Bearer secret").name == "joe"
    assert authenticator.authenticate(None, "") is ANONYMOUS_USER
    assert authenticator.authenticate(None, "Basic secret") is ANONYMOUS_USER
    with pytest.raises(errors.Unauthorized, match=r"^Unauthorized$"):
        authenticator.authenticate(None, "Bearer secre")


def test_a_refusal_says_who_may_not_do_what_where():
    error = authz.forbidden(User("jane"), "patch", Target(DEPLOYMENTS, "a", "b", "scale"))
    assert error.message == (
        'deployments.apps "b" is forbidden: User "jane" cannot patch resource "deployments/scale" '
        'in API group "apps" in the namespace "a"'
    )


@given(st.text())
def test_no_path_and_no_query_is_too_strange(text):
    parse("/api/v1/" + text)
    query.parse(text)


def test_discovery_follows_the_registry():
    discovery = Discovery(BUILTIN, {})
    apps = encoding.loads(discovery.version("apps", "v1"))
    assert "deployments/scale" in {entry["name"] for entry in apps["resources"]}
    assert discovery.version("apps", "v9") is None
    assert discovery.group("nonsense") is None
    assert "deletecollection" not in verbs_of(NAMESPACES)
    autoscaling = encoding.loads(discovery.group("autoscaling"))
    assert autoscaling["preferredVersion"]["version"] == "v2"


def test_a_new_uid_is_a_random_uuid():
    made = {new_uid() for _ in range(1000)}
    assert len(made) == 1000
    assert all(uuid.UUID(one).version == 4 and str(uuid.UUID(one)) == one for one in made)
    assert all(uuid.UUID(one).variant == uuid.RFC_4122 for one in made)
