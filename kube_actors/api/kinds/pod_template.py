"""PodTemplate: a template by itself, for whoever makes pods."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.defaults.pods import pod_template
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.pods import template
from kube_actors.api.validation.rules import Rules


def _defaults(obj: Obj) -> None:
    pod_template(obj.get("template"))


def _create(causes: Causes, obj: Obj) -> None:
    template(causes, obj.get("template"), "template")


KIND = Kind(
    rules=Rules(create=_create),
    rest=RestRules(answers_deleted_object=True),
    defaults=_defaults,
    counted=("template",),
)
