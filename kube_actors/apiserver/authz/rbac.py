"""Roles and their bindings: who is bound to which rules, cluster-wide and in each namespace.

    cache --any change of a role or binding--> stale --next question--> Snapshot --per (user, groups)--> Grants

A Snapshot is all roles and bindings compiled, bindings found by subject. Grants are the rules of one user, with what
was asked before remembered: a question that was asked before is one lookup. Both are dropped by the next change.
Kubernetes: plugin/pkg/auth/authorizer/rbac, pkg/registry/rbac/validation/rule.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.api.gotext import go_quote
from kube_actors.api.resources import Resource, builtin
from kube_actors.apiserver.authz import NO_OPINION, UserRules, Verdict
from kube_actors.apiserver.authz.rules import Rule
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.cache.entry import Entry
from kube_actors.apiserver.request import Target, User, service_account_name

GROUP = "rbac.authorization.k8s.io"
CLUSTER_ROLES = builtin(f"{GROUP}/v1", "clusterroles")
CLUSTER_ROLE_BINDINGS = builtin(f"{GROUP}/v1", "clusterrolebindings")
ROLES = builtin(f"{GROUP}/v1", "roles")
ROLE_BINDINGS = builtin(f"{GROUP}/v1", "rolebindings")
KINDS = (CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES, ROLE_BINDINGS)
# Users, and questions of one user, that are remembered; beyond, all are forgotten at once.
USERS, QUESTIONS = 10_000, 4_096

Subject = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Binding:
    """One subject of a binding. `namespace` is empty for a ClusterRoleBinding."""

    name: str
    namespace: str
    role_kind: str
    role_name: str
    told: str

    def verdict(self) -> Verdict:
        kind, name = (
            ("RoleBinding", f"{self.name}/{self.namespace}") if self.namespace else ("ClusterRoleBinding", self.name)
        )
        role = f"{self.role_kind} {go_quote(self.role_name)}"
        return Verdict(True, f"RBAC: allowed by {kind} {go_quote(name)} of {role} to {self.told}")


@dataclass(slots=True)
class Snapshot:
    """All roles and bindings of a moment."""

    roles: dict[tuple[str, str], tuple[Rule, ...]] = field(default_factory=dict)
    bindings: dict[Subject, list[Binding]] = field(default_factory=dict)

    def rules_of(self, binding: Binding) -> tuple[tuple[Rule, ...], str]:
        """(rules, what is wrong)."""
        namespace = binding.namespace if binding.role_kind == "Role" else ""
        rules = self.roles.get((namespace, binding.role_name))
        if rules is not None:
            return rules, ""
        return (), f"{binding.role_kind.lower()}.{GROUP} {go_quote(binding.role_name)} not found"

    def of(self, user: User) -> Iterator[Binding]:
        """The bindings that apply to a user; those of the cluster first, then by name."""
        subjects = [("User", user.name), *(("Group", group) for group in user.groups)]
        found = [binding for subject in subjects for binding in self.bindings.get(subject, ())]
        return iter(sorted(found, key=lambda one: (one.namespace, one.name)))


class Grants:
    """What one user may do, as of one snapshot."""

    def __init__(self, snapshot: Snapshot, user: User) -> None:
        self._rules: list[tuple[str, Rule, Verdict]] = []
        self._problems: list[tuple[str, str]] = []
        self._asked: dict[tuple[str, str, str, str, str], tuple[tuple[tuple[str, ...], Verdict], ...]] = {}
        for binding in snapshot.of(user):
            rules, problem = snapshot.rules_of(binding)
            verdict = binding.verdict()
            self._rules += [(binding.namespace, rule, verdict) for rule in rules]
            if problem:
                self._problems.append((binding.namespace, problem))

    def decide(self, verb: str, target: Target) -> Verdict:
        resource = target.resource
        question = (verb, resource.group, resource.plural, target.subresource, target.namespace)
        answers = self._asked.get(question)
        if answers is None:
            if len(self._asked) >= QUESTIONS:
                self._asked.clear()
            answers = self._asked[question] = tuple(self._answers(question))
        for names, verdict in answers:
            if not names or target.name in names:
                return verdict
        return self._refusal(target.namespace)

    def decide_path(self, verb: str, path: str) -> Verdict:
        for namespace, rule, verdict in self._rules:
            if not namespace and rule.urls and rule.allows_path(verb, path):
                return verdict
        return self._refusal("")

    def rules(self, namespace: str) -> UserRules:
        found = tuple(rule for where, rule, _ in self._rules if where in ("", namespace))
        problem = self._refusal(namespace).error
        return UserRules(found, bool(problem), problem)

    def _answers(self, question: tuple[str, str, str, str, str]) -> Iterator[tuple[tuple[str, ...], Verdict]]:
        """The verdicts of the rules that fit, with the names they are limited to; no more once one is not."""
        verb, group, plural, subresource, namespace = question
        for where, rule, verdict in self._rules:
            if where in ("", namespace) and rule.allows(verb, group, plural, subresource):
                yield rule.names, verdict
                if not rule.names:
                    return

    def _refusal(self, namespace: str) -> Verdict:
        problems = [text for where, text in self._problems if where in ("", namespace)]
        if not problems:
            return NO_OPINION
        text = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        return Verdict(False, f"RBAC: {text}", text)


class Rbac:
    """The authorizer. It reads the cache, and so is behind a change by the time that the store's stream needs."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._compiled: dict[tuple[Resource, str], tuple[int, object]] = {}
        self._snapshot: Snapshot | None = None
        self._grants: dict[tuple[str, tuple[str, ...]], Grants] = {}
        for resource in KINDS:
            cache.follow(resource, self)

    def reset(self, entries: Iterable[Entry]) -> None:
        """The cache has begun anew."""
        self._snapshot = None

    def apply(self, key: str, entry: Entry | None) -> None:
        """A role or a binding has changed."""
        self._snapshot = None

    def decide(self, user: User, verb: str, target: Target, fields: str = "") -> Verdict:
        return self._of(user).decide(verb, target)

    def decide_path(self, user: User, verb: str, path: str) -> Verdict:
        return self._of(user).decide_path(verb, path)

    def rules_for(self, user: User, namespace: str) -> UserRules:
        return self._of(user).rules(namespace)

    def rules_of_role(self, kind: str, namespace: str, name: str) -> tuple[Rule, ...] | None:
        """The rules of a ClusterRole or of a Role; None where there is none."""
        return self._current().roles.get((namespace if kind == "Role" else "", name))

    def _of(self, user: User) -> Grants:
        snapshot = self._current()
        grants = self._grants.get((user.name, user.groups))
        if grants is None:
            if len(self._grants) >= USERS:
                self._grants.clear()
            grants = self._grants[user.name, user.groups] = Grants(snapshot, user)
        return grants

    def _current(self) -> Snapshot:
        if self._snapshot is None:
            self._grants.clear()
            self._snapshot = self._read()
        return self._snapshot

    def _read(self) -> Snapshot:
        snapshot, seen = Snapshot(), {}
        for resource in KINDS:
            bucket = self._cache.bucket(resource)
            for entry in bucket.entries(*bucket.keys()):
                known = self._compiled.get((resource, entry.key))
                if known is None or known[0] != entry.revision:
                    known = (entry.revision, _compile(resource, entry.decode()))
                seen[resource, entry.key] = known
                _add(snapshot, entry.key, known[1])
        self._compiled = seen
        return snapshot


def _compile(resource: Resource, obj: Obj) -> object:
    """The rules of a role, or the (subject, binding) pairs of a binding."""
    if resource in (CLUSTER_ROLES, ROLES):
        return tuple(Rule.of(rule) for rule in obj.get("rules") or ())
    meta, ref = obj["metadata"], obj["roleRef"]
    namespace = meta.get("namespace", "")
    pairs = []
    for subject in obj.get("subjects") or ():
        known = _subject(subject, namespace)
        if known is not None:
            told = _told(subject, namespace)
            pairs.append((known, Binding(meta["name"], namespace, ref["kind"], ref["name"], told)))
    return pairs


def _add(snapshot: Snapshot, key: str, compiled: object) -> None:
    if isinstance(compiled, tuple):
        namespace, _, name = key.rpartition("/")
        snapshot.roles[namespace, name] = compiled
        return
    assert isinstance(compiled, list)
    for subject, binding in compiled:
        snapshot.bindings.setdefault(subject, []).append(binding)


def _subject(subject: Obj, namespace: str) -> Subject | None:
    """A service account is a user by its name; one without a namespace is of the binding's."""
    if subject.get("kind") != "ServiceAccount":
        return subject.get("kind", ""), subject.get("name", "")
    where = subject.get("namespace") or namespace
    return ("User", service_account_name(where, subject.get("name", ""))) if where else None


def _told(subject: Obj, namespace: str) -> str:
    name = subject.get("name", "")
    if subject.get("kind") == "ServiceAccount":
        name = f"{name}/{subject.get('namespace') or namespace}"
    return f"{subject.get('kind')} {go_quote(name)}"
