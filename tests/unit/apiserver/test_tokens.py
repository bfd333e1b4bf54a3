"""Service-account tokens: asked for, shown, refused."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kube_actors.api import encoding, errors
from kube_actors.api.resources import NODES, PODS, SECRETS, SERVICE_ACCOUNTS, builtin
from kube_actors.api.tokens import Bound, Claims, InvalidToken, KeyRing, check
from kube_actors.apiserver.authn import BadToken
from kube_actors.apiserver.request import User

ISSUER = "https://kubernetes.default.svc.cluster.local"
TOKEN_REVIEWS = builtin("authentication.k8s.io/v1", "tokenreviews")
NODE = User("system:node:n1", ("system:nodes", "system:authenticated"))


def pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


EC, RSA = (pem(key) for key in (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)))
CLAIMS = Claims("ns", Bound("robot", "u"), ISSUER, ("api",), 1000.0, 2000.0, "id", pod=Bound("p", "v"))


@pytest.mark.parametrize("key", [EC, RSA], ids=["ecdsa", "rsa"])
def test_a_token_says_what_was_signed(key):
    ring = KeyRing([key])
    assert ring.read(ring.sign(CLAIMS)) == CLAIMS
    assert ring.jwks()["keys"][0]["alg"] in ("ES256", "RS256")


def test_after_a_rotation_old_tokens_are_read_and_new_ones_are_signed_by_the_new_key():
    old, both = KeyRing([EC]), KeyRing([RSA, EC])
    assert both.read(old.sign(CLAIMS)) == CLAIMS
    with pytest.raises(InvalidToken):
        old.read(both.sign(CLAIMS))
    assert [key["alg"] for key in both.jwks()["keys"]] == ["RS256", "ES256"]


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.e30"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(InvalidToken):
        KeyRing([EC]).read(token)


def test_a_token_of_another_key_with_our_key_id_is_refused():
    forged = KeyRing([pem(ec.generate_private_key(ec.SECP256R1()))]).sign(CLAIMS).split(".")
    genuine = KeyRing([EC]).sign(CLAIMS).split(".")
    with pytest.raises(InvalidToken):
        KeyRing([EC]).read(".".join((genuine[0], forged[1], forged[2])))


@pytest.mark.parametrize(
    ("claims", "now", "words"),
    [
        (CLAIMS, 2000.0, "expired"),
        (CLAIMS, 900.0, "not valid yet"),
        (replace(CLAIMS, issuer="https://other"), 1500.0, "invalid bearer token"),
        (replace(CLAIMS, audiences=("theirs",)), 1500.0, r"\[\"theirs\"\] is invalid for the target audiences"),
    ],
)
def test_a_token_is_good_in_its_time_for_its_audience(claims, now, words):
    assert check(CLAIMS, 1500.0, [ISSUER], ["api", "more"]) == ("api",)
    with pytest.raises(InvalidToken, match=words):
        check(claims, now, [ISSUER], ["api"])


@pytest.fixture
async def robot(api):
    return await api.create(SERVICE_ACCOUNTS, {"metadata": {"name": "robot"}})


async def ask(api, **spec):
    answer = await api.create(SERVICE_ACCOUNTS, {"spec": spec}, subresource="token", name="robot")
    await api.pipeline.cache.fresh()
    return answer["status"]["token"]


def holder(api, token, *audiences):
    return api.pipeline.authenticator.token_holder(token, audiences)


async def test_a_token_makes_its_bearer_the_account(api, robot):
    token = await ask(api)
    user = api.pipeline.authenticator.authenticate(None, f"Bearer {token}")
    assert user.name == "system:serviceaccount:default:robot"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated")
    assert user.uid == robot["metadata"]["uid"]
    assert dict(user.extra)["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")


async def test_a_token_ends_with_its_pod(api, robot, new_pod):
    await api.create(NODES, {"metadata": {"name": "n1"}})
    pod = await api.create(PODS, new_pod("p", nodeName="n1", serviceAccountName="robot"))
    token = await ask(api, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p"})
    extra = dict(holder(api, token).user.extra)
    assert extra["authentication.kubernetes.io/pod-uid"] == (pod["metadata"]["uid"],)
    assert extra["authentication.kubernetes.io/node-name"] == ("n1",)
    await api.delete(PODS, "p", grace_seconds=0)
    await api.pipeline.cache.fresh()
    with pytest.raises(BadToken, match="Unauthorized") as refused:
        holder(api, token)
    assert refused.value.detail == "[invalid bearer token, service account token has been invalidated]"


@pytest.mark.looptime
async def test_a_token_ends_with_its_time_and_a_deleted_account(api, robot):
    first, second = await ask(api, expirationSeconds=600), await ask(api, expirationSeconds=6000)
    await asyncio.sleep(601)
    with pytest.raises(BadToken):
        holder(api, first)
    assert holder(api, second)
    await api.delete(SERVICE_ACCOUNTS, "robot")
    await api.create(SERVICE_ACCOUNTS, {"metadata": {"name": "robot"}})
    await api.pipeline.cache.fresh()
    with pytest.raises(BadToken):
        holder(api, second)


async def test_a_review_tells_whose_a_token_is_and_for_whom(api, robot):
    token = await ask(api, audiences=["shop"])
    with pytest.raises(errors.Unauthorized):
        api.pipeline.authenticator.authenticate(None, f"Bearer {token}")
    spec = {"token": token, "audiences": ["shop", "bank"]}
    status = (await api.create(TOKEN_REVIEWS, {"spec": spec}))["status"]
    assert status["authenticated"]
    assert status["audiences"] == ["shop"]
    assert status["user"]["username"] == "system:serviceaccount:default:robot"
    status = (await api.create(TOKEN_REVIEWS, {"spec": {"token": token, "audiences": ["bank"]}}))["status"]
    assert "authenticated" not in status
    assert "is invalid for the target audiences" in status["error"]
    with pytest.raises(errors.BadRequest, match="token is required"):
        await api.create(TOKEN_REVIEWS, {"spec": {}})


async def test_a_secret_holds_a_token_for_as_long_as_it_has_it(api, robot):
    claims = Claims("default", Bound("robot", robot["metadata"]["uid"]), "kubernetes/serviceaccount")
    token = api.pipeline.signing.keys.sign(replace(claims, secret=Bound("s", "")))
    annotations = {"kubernetes.io/service-account.name": "robot"}
    secret = {"metadata": {"name": "s", "annotations": annotations}, "type": "kubernetes.io/service-account-token"}
    data = {"token": base64.b64encode(token.encode()).decode()}
    await api.create(SECRETS, {**secret, "data": data})
    await api.pipeline.cache.fresh()
    assert holder(api, token).user.name == "system:serviceaccount:default:robot"
    await api.patch(SECRETS, "s", {"data": {"token": "eA=="}})
    await api.pipeline.cache.fresh()
    with pytest.raises(BadToken):
        holder(api, token)


async def test_a_node_asks_for_tokens_of_its_own_pods_only(api, robot, new_pod):
    pods = [await api.create(PODS, new_pod(f"p{n}", nodeName=f"n{n}", serviceAccountName="robot")) for n in (1, 2)]
    await api.pipeline.cache.fresh()
    api.user = NODE
    mine, theirs = (
        {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        for pod in pods
    )
    with pytest.raises(errors.Forbidden, match="node requested token bound to a pod scheduled on a different node"):
        await ask(api, boundObjectRef=theirs)
    with pytest.raises(errors.Forbidden, match="node requested token not bound to a pod"):
        await ask(api)
    with pytest.raises(errors.Forbidden, match='audience "vault" not found in pod spec volume'):
        await ask(api, boundObjectRef=mine, audiences=["vault"])
    assert await ask(api, boundObjectRef=mine)


async def test_a_pod_gets_a_volume_with_the_token_unless_it_says_no(api, robot, new_pod):
    await api.pipeline.cache.fresh()
    pod = await api.create(PODS, new_pod("a", serviceAccountName="robot"))
    volume = pod["spec"]["volumes"][0]
    assert volume["name"].startswith("kube-api-access-")
    assert pod["spec"]["containers"][0]["volumeMounts"][0]["name"] == volume["name"]
    plain = await api.create(PODS, new_pod("b", serviceAccountName="robot", automountServiceAccountToken=False))
    assert "volumes" not in plain["spec"]
    own = {"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": MOUNT}]}
    other = await api.create(
        PODS, new_pod("c", serviceAccountName="robot", containers=[own], volumes=[{"name": "v", "emptyDir": {}}])
    )
    assert [volume["name"] for volume in other["spec"]["volumes"]] == ["v"]


MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_claims_are_those_of_kubernetes():
    body = encoding.loads(base64.urlsafe_b64decode(KeyRing([EC]).sign(CLAIMS).split(".")[1] + "=="))
    assert body == {
        "aud": ["api"],
        "exp": 2000,
        "iat": 1000,
        "iss": ISSUER,
        "jti": "id",
        "kubernetes.io": {
            "namespace": "ns",
            "pod": {"name": "p", "uid": "v"},
            "serviceaccount": {"name": "robot", "uid": "u"},
        },
        "nbf": 1000,
        "sub": "system:serviceaccount:ns:robot",
    }
