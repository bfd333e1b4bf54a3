"""Kinds that are questions: who am I, may I, whose token is this. They are answered, not stored.

Kubernetes: pkg/registry/authorization and pkg/registry/authentication.
"""

from __future__ import annotations

from kube_actors.aio.clock import Clock, rfc3339
from kube_actors.api import Obj, errors
from kube_actors.api.resources import BUILTIN, Resource
from kube_actors.api.validation.access_reviews import validate_review
from kube_actors.apiserver.authn import Authenticator, BadToken
from kube_actors.apiserver.authz import Authorizer, Verdict
from kube_actors.apiserver.authz.rules import Rule
from kube_actors.apiserver.registry import metadata
from kube_actors.apiserver.request import Request, Target, User

AUTHENTICATION, AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"
_ACCESS = ("selfsubjectaccessreviews", "subjectaccessreviews", "localsubjectaccessreviews")
_ANSWERED = (*_ACCESS, "selfsubjectreviews", "tokenreviews", "selfsubjectrulesreviews")


class Reviews:
    def __init__(self, authenticator: Authenticator, authorizer: Authorizer, clock: Clock) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._clock = clock

    def answers(self, resource: Resource) -> bool:
        return resource.plural in _ANSWERED and resource.group in (AUTHENTICATION, AUTHORIZATION)

    def answer(self, request: Request, review: Obj) -> Obj:
        """The review with its status. Raises BadRequest or Invalid."""
        plural = request.target.resource.plural
        if plural == "selfsubjectreviews":
            meta = {"creationTimestamp": rfc3339(self._clock.now())}
            return {**review, "metadata": meta, "status": {"userInfo": user_info(request.user)}}
        if plural == "tokenreviews":
            return {**review, "status": self._token_status(review)}
        if plural == "selfsubjectrulesreviews":
            return {**review, "spec": {}, "status": self._rules(request, review)}
        return {**review, "status": self._access_status(request, review)}

    def _token_status(self, review: Obj) -> Obj:
        spec = review.get("spec") or {}
        if not spec.get("token"):
            raise errors.BadRequest("token is required for TokenReview in authentication")
        try:
            holder = self._authenticator.token_holder(spec["token"], tuple(spec.get("audiences") or ()))
        except BadToken as error:
            return {"user": {}, "error": error.detail}
        status: Obj = {"authenticated": True, "user": user_info(holder.user)}
        return status | ({"audiences": list(holder.audiences)} if holder.audiences else {})

    def _access_status(self, request: Request, review: Obj) -> Obj:
        spec, plural = review.get("spec") or {}, request.target.resource.plural
        own, local = plural == _ACCESS[0], plural == _ACCESS[2]
        if local:
            metadata.check_namespace(request.target, review)
        causes = validate_review(review, own=own, local=local)
        if causes:
            raise errors.invalid("", AUTHORIZATION, "", causes)
        verdict = self._verdict(request.user if own else _user(spec), spec)
        status: Obj = {"allowed": verdict.allowed}
        status |= {"reason": verdict.reason} if verdict.reason else {}
        return status | ({"evaluationError": verdict.error} if verdict.error else {})

    def _verdict(self, user: User, spec: Obj) -> Verdict:
        attributes = spec.get("resourceAttributes")
        if attributes is not None:
            selector = (attributes.get("fieldSelector") or {}).get("rawSelector") or ""
            return self._authorizer.decide(user, attributes.get("verb") or "", _target(attributes), selector)
        path = spec.get("nonResourceAttributes") or {}
        return self._authorizer.decide_path(user, path.get("verb") or "", path.get("path") or "")

    def _rules(self, request: Request, review: Obj) -> Obj:
        namespace = (review.get("spec") or {}).get("namespace") or ""
        if not namespace:
            raise errors.BadRequest("no namespace on request")
        found = self._authorizer.rules_for(request.user, namespace)
        status: Obj = {
            "resourceRules": [rule.as_json() for rule in found.rules if not rule.urls],
            "nonResourceRules": [_path_rule(rule) for rule in found.rules if rule.urls],
            "incomplete": found.incomplete,
        }
        return status | ({"evaluationError": found.error} if found.error else {})


def user_info(user: User) -> Obj:
    """The user as an authentication.k8s.io/v1 UserInfo."""
    info: Obj = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra}
    return info


def _user(spec: Obj) -> User:
    extra = tuple((key.lower(), tuple(values)) for key, values in (spec.get("extra") or {}).items())
    return User(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra)


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


def _path_rule(rule: Rule) -> Obj:
    return {"verbs": list(rule.verbs), "nonResourceURLs": list(rule.urls)}
