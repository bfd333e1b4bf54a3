"""Kinds that are questions: who am I, may I, whose token is this. They are answered, not stored."""

from __future__ import annotations

from kube_actors.aio.clock import Clock, rfc3339
from kube_actors.api import Obj, errors
from kube_actors.api.resources import BUILTIN, Resource
from kube_actors.apiserver.authn import Authenticator
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.request import Request, Target, User

_ACCESS = ("selfsubjectaccessreviews", "subjectaccessreviews", "localsubjectaccessreviews")
_ANSWERED = (*_ACCESS, "selfsubjectreviews", "tokenreviews", "selfsubjectrulesreviews")


class Reviews:
    def __init__(self, authenticator: Authenticator, authorizer: Authorizer, clock: Clock) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._clock = clock

    def answers(self, resource: Resource) -> bool:
        return resource.plural in _ANSWERED and resource.group in ("authentication.k8s.io", "authorization.k8s.io")

    def answer(self, request: Request, review: Obj) -> Obj:
        """The review with its status."""
        plural = request.target.resource.plural
        if plural == "selfsubjectreviews":
            status = {"userInfo": _user_info(request.user)}
            when = {"creationTimestamp": rfc3339(self._clock.now())}
            return {**review, "metadata": {**review["metadata"], **when}, "status": status}
        if plural == "tokenreviews":
            return {**review, "status": self._token_status(review)}
        if plural == "selfsubjectrulesreviews":
            return {**review, "status": self._rules(request, review)}
        return {**review, "status": self._access_status(request, review)}

    def _token_status(self, review: Obj) -> Obj:
        token = (review.get("spec") or {}).get("token", "")
        try:
            user = self._authenticator.authenticate(None, f"Bearer {token}")
        except errors.Unauthorized:
            return {"user": {}, "error": "invalid bearer token"}
        return {"authenticated": True, "user": _user_info(user)}

    def _access_status(self, request: Request, review: Obj) -> Obj:
        spec = review.get("spec") or {}
        user = request.user
        if request.target.resource.plural != "selfsubjectaccessreviews":
            user = User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""))
        attributes = spec.get("resourceAttributes")
        if attributes is not None:
            target = _target(attributes)
            allowed = self._authorizer.allows(user, attributes.get("verb", ""), target)
        else:
            path = spec.get("nonResourceAttributes") or {}
            allowed = self._authorizer.allows_path(user, path.get("verb", ""), path.get("path", ""))
        return {"allowed": allowed}

    def _rules(self, request: Request, review: Obj) -> Obj:
        anything = Resource("*", "*", "*", "*", True)
        namespace = (review.get("spec") or {}).get("namespace", "")
        if not self._authorizer.allows(request.user, "*", Target(anything, namespace)):
            return {"resourceRules": [], "nonResourceRules": [], "incomplete": False}
        return {
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": False,
        }


def _target(attributes: Obj) -> Target:
    group, version = attributes.get("group") or "", attributes.get("version") or ""
    plural = attributes.get("resource") or ""
    for known in BUILTIN:
        if known.plural == plural and known.group == group:
            resource = known
            break
    else:
        resource = Resource(group, version, plural, plural, True)
    namespace, name = attributes.get("namespace") or "", attributes.get("name") or ""
    return Target(resource, namespace, name, attributes.get("subresource") or "")


def _user_info(user: User) -> Obj:
    info: Obj = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    return {**info, "groups": list(user.groups)}
