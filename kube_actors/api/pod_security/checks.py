"""What a check is, and the phrases that all of them are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import get_path


@dataclass(frozen=True, slots=True)
class Violation:
    reason: str
    detail: str = ""


Rule = Callable[[Obj], Violation | None]


@dataclass(frozen=True, slots=True)
class Check:
    """One control. `rules` are (first minor version, rule), oldest first; the newest that holds is asked.

    `replaces` names checks of baseline that a stricter one makes superfluous.
    """

    name: str
    rules: tuple[tuple[int, Rule], ...]
    replaces: tuple[str, ...] = ()

    def run(self, pod: Obj, minor: int) -> Violation | None:
        held = [rule for since, rule in self.rules if since <= minor]
        return held[-1](pod) if held else None


def containers_of(pod: Obj) -> list[Obj]:
    """All of a pod's containers, in the order in which messages name them."""
    spec = pod["spec"]
    fields = ("initContainers", "containers", "ephemeralContainers")
    return [one for field in fields for one in spec.get(field) or ()]


def context_of(container: Obj) -> Obj:
    found: Obj = container.get("securityContext") or {}
    return found


def pod_context(pod: Obj) -> Obj:
    found: Obj = pod["spec"].get("securityContext") or {}
    return found


def named(pod: Obj, test: Callable[[Obj], object]) -> list[str]:
    """The names of the containers for which `test` holds."""
    return [one.get("name", "") for one in containers_of(pod) if test(one)]


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def containers(names: list[str]) -> str:
    """`container "a"` or `containers "a", "b"`."""
    return f"{plural('container', len(names))} {quoted(names)}"


def setters(of_pod: bool, names: list[str]) -> str:
    """Who sets something: `pod and containers "a", "b"`; empty for nobody."""
    return " and ".join((["pod"] if of_pod else []) + ([containers(names)] if names else []))


def profile_values(pod: Obj, field: str, allowed: tuple[str, ...]) -> tuple[str, list[str]]:
    """Who sets a profile of another type than the allowed ones, and to what, in order."""

    def bad(context: Obj) -> str:
        profile = context.get(field)
        kind = str((profile or {}).get("type", ""))
        return kind if profile is not None and kind not in allowed else ""

    names = named(pod, lambda one: bad(context_of(one)))
    values = {bad(pod_context(pod)), *(bad(context_of(one)) for one in containers_of(pod))} - {""}
    return setters(bool(bad(pod_context(pod))), names), sorted(values)


def in_user_namespace(pod: Obj) -> bool:
    """Whether root in the pod is nobody on its node: then some rules are relaxed."""
    return get_path(pod, "spec", "hostUsers") is False
