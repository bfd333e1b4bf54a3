"""PodSecurity: pods keep to the level that their namespace's labels ask for; workloads are warned of.

Kubernetes: k8s.io/pod-security-admission/admission.
"""

from __future__ import annotations

from kube_actors.api import Obj, errors, pod_security
from kube_actors.api.meta import annotations_of, get_path, labels_of, name_of
from kube_actors.api.pod_security.levels import LEVELS, PREFIX, LevelVersion, Policy, policy_of
from kube_actors.api.pod_templates import TEMPLATES
from kube_actors.api.resources import NAMESPACES, PODS, Resource
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin, find

POD_SUBRESOURCES = ("", "ephemeralcontainers", "resize")
MAX_PODS = 3000
SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"


class PodSecurity(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        if operation not in (Operation.CREATE, Operation.UPDATE):
            return False
        if resource is PODS:
            return subresource in POD_SUBRESOURCES
        return not subresource and (resource is NAMESPACES or resource.qualified in TEMPLATES)

    async def validate(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        if attributes.resource is NAMESPACES:
            self._check_namespace(attributes, attributes.obj)
            return
        namespace = await find(self._lookup, NAMESPACES, attributes.target.namespace)
        labels = labels_of(namespace) if namespace is not None else {}
        # Most namespaces ask for nothing, and pods are created often.
        if not any(key.startswith(PREFIX) for key in labels):
            return
        policy, causes = policy_of(labels)
        if policy.is_free:
            return
        if causes:
            texts = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
            attributes.annotate(f"{PREFIX}error", f"Failed to parse policy: {texts}")
        if attributes.resource is not PODS:
            template = get_path(attributes.obj, *TEMPLATES[attributes.resource.qualified])
            if template is not None:
                _evaluate(attributes, policy, template, enforce=False)
        elif attributes.old is None or is_significant(attributes.obj, attributes.old):
            _evaluate(attributes, policy, attributes.obj, enforce=True)

    def _check_namespace(self, attributes: Attributes, namespace: Obj) -> None:
        policy, causes = policy_of(labels_of(namespace))
        if attributes.old is None:
            if causes:
                raise errors.invalid("Namespace", "", name_of(namespace), causes)
            return
        before, old_causes = policy_of(labels_of(attributes.old))
        if causes and causes != old_causes:
            raise errors.invalid("Namespace", "", name_of(namespace), causes)
        new, old = policy.enforce, before.enforce
        relaxed = new.minor == old.minor and LEVELS.index(new.level) <= LEVELS.index(old.level)
        if new == old or new.level == "privileged" or relaxed:
            return
        for text in existing_pods(name_of(namespace), self._lookup.all(PODS, name_of(namespace)), new):
            attributes.warn(text)


def _evaluate(attributes: Attributes, policy: Policy, pod: Obj, *, enforce: bool) -> None:
    if enforce:
        attributes.annotate(f"{PREFIX}enforce-policy", str(policy.enforce))
        found = pod_security.evaluate(policy.enforce, pod)
        if found:
            raise attributes.forbidden(f'violates PodSecurity "{policy.enforce}": {pod_security.details(found)}')
    found = pod_security.evaluate(policy.audit, pod)
    if found:
        text = f'would violate PodSecurity "{policy.audit}": {pod_security.details(found)}'
        attributes.annotate(f"{PREFIX}audit-violations", text)
    found = pod_security.evaluate(policy.warn, pod)
    if found:
        attributes.warn(f'would violate PodSecurity "{policy.warn}": {pod_security.details(found)}')


def existing_pods(namespace: str, pods: list[Obj], level: LevelVersion) -> list[str]:
    """The warnings of a namespace that asks for more than pods in it keep to."""
    by_reasons: dict[str, list[str]] = {}
    for pod in pods[:MAX_PODS]:
        found = pod_security.evaluate(level, pod)
        if found:
            by_reasons.setdefault(pod_security.reasons(found), []).append(name_of(pod))
    warnings = []
    if len(pods) > MAX_PODS:
        text = f"new PodSecurity enforce level only checked against the first {MAX_PODS} of {len(pods)} existing pods"
        warnings.append(text)
    if by_reasons:
        warnings.append(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"')
    return warnings + sorted(f"{_some(names)}: {reasons}" for reasons, names in by_reasons.items())


def _some(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other {'pod' if others == 1 else 'pods'})"


def is_significant(new: Obj, old: Obj) -> bool:
    """Whether an update changes what the standards look at: of a pod's containers that is the image."""
    if annotations_of(new).get(SECCOMP) != annotations_of(old).get(SECCOMP):
        return True
    fields = ("containers", "initContainers", "ephemeralContainers")
    return any(_images(new, field) != _images(old, field) for field in fields)


def _images(pod: Obj, field: str) -> list[tuple[str, str]]:
    return [(one.get("name", ""), one.get("image", "")) for one in pod["spec"].get(field) or ()]
