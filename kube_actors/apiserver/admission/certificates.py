"""Whether a user may do something for a signer: what the plugins of certificate requests have in common."""

from __future__ import annotations

from kube_actors.api.resources import Resource, builtin
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.request import Target, User

REQUESTS = builtin("certificates.k8s.io/v1", "certificatesigningrequests")
SIGNERS = Resource("certificates.k8s.io", "*", "signers", "Signer", namespaced=False)


def may(authorizer: Authorizer, user: User, verb: str, signer: str) -> bool:
    """By the signer's name, or by all of its domain. Kubernetes: certauthorization.IsAuthorizedForSignerName."""
    names = (signer, f"{signer.partition('/')[0]}/*")
    return any(authorizer.decide(user, verb, Target(SIGNERS, name=name)).allowed for name in names)
