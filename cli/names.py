"""From what a user types to resources: plural, singular, short and qualified names, categories, type/name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.resources import Resource

from .failure import Failure, usage

# Where a name means several groups, as kubectl's RESTMapper prefers: the core, then these.
PREFERRED_GROUPS = ("", "apps", "batch", "autoscaling", "networking.k8s.io", "policy", "rbac.authorization.k8s.io")


@dataclass(frozen=True, slots=True)
class Target:
    """A resource, and a name in it; empty: all of them."""

    resource: Resource
    name: str = ""


class Names:
    """The names of what a server serves (`KubeClient.discover`)."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = sorted(resources, key=_preference)

    def find(self, text: str) -> Resource:
        """One resource: `pods`, `po`, `pod`, `deployments.apps`, `deployments.v1.apps`. Raises Failure."""
        wanted = text.lower().rstrip(".")
        for resource in self._resources:
            if wanted in _spellings(resource):
                return resource
        raise usage(f'the server doesn\'t have a resource type "{text}"')

    def find_all(self, text: str) -> list[Resource]:
        """The resources of a comma list, in which categories such as `all` stand for several."""
        found: list[Resource] = []
        for part in text.split(","):
            category = [resource for resource in self._resources if part.lower() in resource.categories]
            found += [resource for resource in (category or [self.find(part)]) if resource not in found]
        return found

    def of_object(self, obj: Obj, source: str) -> Resource:
        """The resource of an object's apiVersion and kind. Raises Failure in kubectl's words."""
        api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
        for resource in self._resources:
            if resource.kind == kind and resource.api_version == api_version:
                return resource
        metadata = obj.get("metadata") or {}
        raise usage(
            f'resource mapping not found for name: "{metadata.get("name", "")}" '
            f'namespace: "{metadata.get("namespace", "")}" from "{source}": '
            f'no matches for kind "{kind}" in version "{api_version}"; ensure CRDs are installed first'
        )

    def targets(self, words: Sequence[str]) -> list[Target]:
        """`pods`, `pods web`, `pods a b`, `pod/a deploy/b`, `pods,svc`: what kubectl's builder takes."""
        if not words:
            raise Failure(
                "error: You must specify the type of resource to get, such as 'kactl get pods'. "
                "'kactl get all' shows workloads and services."
            )
        if any("/" in word for word in words):
            return [self._slashed(word) for word in words]
        resources = self.find_all(words[0])
        if len(words) == 1:
            return [Target(resource) for resource in resources]
        return [Target(resource, name) for resource in resources for name in words[1:]]

    def _slashed(self, word: str) -> Target:
        kind, slash, name = word.partition("/")
        if not slash or not kind or not name or "/" in name:
            raise usage(
                "there is no need to specify a resource type as a separate argument when passing arguments in "
                f"resource/name form (e.g. 'kactl get resource/<resource_name>' instead of '{word}')"
            )
        return Target(self.find(kind), name)


def _spellings(resource: Resource) -> set[str]:
    names = {resource.plural, resource.singular, resource.kind.lower(), *resource.short_names}
    qualified = {f"{name}.{resource.group}" for name in names} if resource.group else set()
    full = {f"{name}.{resource.version}.{resource.group}".rstrip(".") for name in names}
    return names | qualified | full


def _preference(resource: Resource) -> tuple[int, str]:
    group = resource.group
    return (PREFERRED_GROUPS.index(group) if group in PREFERRED_GROUPS else len(PREFERRED_GROUPS), group)


def display(resource: Resource, name: str) -> str:
    """`deployment.apps/web`, `pod/web`: how kubectl names an object in its answers."""
    return f"{resource_display(resource)}/{name}"


def resource_display(resource: Resource) -> str:
    """`deployment.apps`, `pod`."""
    return f"{resource.singular}.{resource.group}" if resource.group else resource.singular
