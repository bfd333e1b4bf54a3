"""MutatingWebhookConfiguration: webhooks that may change what is written."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import webhooks
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules


def _defaults(obj: Obj) -> None:
    webhooks.defaults(obj)
    for webhook in obj.get("webhooks") or ():
        webhook.setdefault("reinvocationPolicy", "Never")


def _create(causes: Causes, obj: Obj) -> None:
    webhooks.webhooks(causes, obj.get("webhooks") or [], mutating=True)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    kept = webhooks.conditions_of(new) == webhooks.conditions_of(old)
    webhooks.webhooks(causes, new.get("webhooks") or [], mutating=True, kept_conditions=kept)


KIND = Kind(
    rules=Rules(create=_create, update=_update),
    rest=RestRules(unconditional_update=False),
    defaults=_defaults,
    counted=("webhooks",),
)
