"""Which requests a webhook or a policy wants: rules, selectors of namespaces and objects, equivalent versions.

Kubernetes: k8s.io/apiserver/pkg/admission/plugin/webhook/{rules,predicates} and plugin/policy/matching.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import labels_of
from kube_actors.api.resources import NAMESPACES, Resource
from kube_actors.api.selectors import LabelSelector, Selector
from kube_actors.apiserver import versions
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, find

GROUP = "admissionregistration.k8s.io"
# What decides about requests is never asked about itself, or a mistake in it could not be undone.
EXEMPT = frozenset((
    "validatingwebhookconfigurations", "mutatingwebhookconfigurations", "validatingadmissionpolicies",
    "validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
))  # fmt: skip


def is_exempt(resource: Resource) -> bool:
    return resource.group == GROUP and resource.plural in EXEMPT


def namespace_of(attributes: Attributes) -> str:
    """A Namespace counts as in itself."""
    target = attributes.target
    return attributes.target.name or attributes.name if target.resource is NAMESPACES else target.namespace


@dataclass(frozen=True, slots=True)
class Rule:
    groups: frozenset[str]
    versions: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    operations: frozenset[str]
    scope: str
    names: frozenset[str]

    @classmethod
    def of(cls, rule: Obj) -> Rule:
        split = (one.partition("/") for one in rule.get("resources") or ())
        return cls(
            frozenset(rule.get("apiGroups") or ()),
            frozenset(rule.get("apiVersions") or ()),
            tuple((resource, subresource) for resource, _, subresource in split),
            frozenset(rule.get("operations") or ()),
            rule.get("scope") or "*",
            frozenset(rule.get("resourceNames") or ()),
        )

    def matches(self, operation: Operation, resource: Resource, subresource: str, name: str) -> bool:
        """Whether it wants the request, if it were for this version of the resource."""
        return (
            _holds(self.operations, operation.value)
            and _holds(self.groups, resource.group)
            and _holds(self.versions, resource.version)
            and (self.scope == "*" or (self.scope == "Namespaced") == resource.namespaced)
            and any(
                wanted in ("*", resource.plural) and below in ("*", subresource) for wanted, below in self.resources
            )
            and (not self.names or name in self.names)
        )


def _holds(wanted: frozenset[str], value: str) -> bool:
    return value in wanted or "*" in wanted


@dataclass(frozen=True, slots=True)
class Matcher:
    """The rules and selectors of one webhook, policy or binding. Without rules it takes every resource."""

    rules: tuple[Rule, ...] | None
    excluded: tuple[Rule, ...]
    namespaces: Selector
    objects: Selector
    equivalent: bool

    @classmethod
    def of(cls, spec: Obj, rules: str = "resourceRules") -> Matcher:
        """Of a webhook (`rules="rules"`) or of matchConstraints, matchResources."""
        found = spec.get(rules)
        return cls(
            None if found is None else tuple(Rule.of(one) for one in found),
            tuple(Rule.of(one) for one in spec.get("excludeResourceRules") or ()),
            _selector(spec.get("namespaceSelector")),
            _selector(spec.get("objectSelector")),
            spec.get("matchPolicy", "Equivalent") == "Equivalent",
        )

    def version_for(self, attributes: Attributes) -> Resource | None:
        """The version of the resource as which the rules want to see the request; None: they do not."""
        if any(self._wants(rule, attributes) is not None for rule in self.excluded):
            return None
        if self.rules is None:
            return attributes.resource
        for rule in self.rules:
            if _matches(rule, attributes, attributes.resource):
                return attributes.resource
        wanted = (self._wants(rule, attributes) for rule in self.rules)
        return next((version for version in wanted if version is not None), None)

    def _wants(self, rule: Rule, attributes: Attributes) -> Resource | None:
        if _matches(rule, attributes, attributes.resource):
            return attributes.resource
        others = versions.equivalents(attributes.resource) if self.equivalent else ()
        return next((one for one in others if _matches(rule, attributes, one)), None)

    def selects(self, attributes: Attributes, namespace_labels: Mapping[str, str] | None) -> bool:
        """Whether the selectors take namespace and object; `namespace_labels` None: of no namespace."""
        if namespace_labels is not None and not self.namespaces.matches(namespace_labels):
            return False
        if self.objects.is_everything:
            return True
        objects = (one for one in (attributes.obj, attributes.old) if one is not None and "metadata" in one)
        return any(self.objects.matches(labels_of(one)) for one in objects)


def _matches(rule: Rule, attributes: Attributes, resource: Resource) -> bool:
    target = attributes.target
    return rule.matches(attributes.operation, resource, target.subresource, target.name or _given_name(attributes))


def _given_name(attributes: Attributes) -> str:
    return str(((attributes.obj or {}).get("metadata") or {}).get("name") or "")


def _selector(selector: Obj | None) -> Selector:
    return LabelSelector.from_object(selector) if selector else Selector.everything()


async def namespace_object(lookup: Lookup, attributes: Attributes) -> Obj | None:
    """The Namespace that the request is in; itself as it will be, for one that is written. None: in none."""
    if attributes.resource is NAMESPACES and attributes.operation is not Operation.DELETE:
        return attributes.obj if not attributes.target.subresource else attributes.old
    name = namespace_of(attributes)
    return await find(lookup, NAMESPACES, name) if name else None
