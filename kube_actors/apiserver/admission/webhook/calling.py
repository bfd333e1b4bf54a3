"""Asking one webhook: what both plugins have in common."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from kube_actors.api import Obj, errors
from kube_actors.api.meta import labels_of
from kube_actors.api.resources import Resource
from kube_actors.apiserver.admission.admission_request import as_version, describe, prepared
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin
from kube_actors.apiserver.admission.conditions import ConditionsFailed
from kube_actors.apiserver.admission.expressions import Asker, variables_of
from kube_actors.apiserver.admission.matching import is_exempt, namespace_object
from kube_actors.apiserver.admission.webhook import review
from kube_actors.apiserver.admission.webhook.hooks import Hook, Hooks
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.custom.conversion import Conversions
from kube_actors.apiserver.webhooks.client import CallFailed, WebhookClient

DRY_RUNS = ("None", "NoneOnDryRun")


class HookFailed(Exception):
    """The webhook could not be asked, or gave no answer."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What webhooks are asked with."""

    lookup: Lookup
    client: WebhookClient
    authorizer: Authorizer
    conversions: Conversions

    async def namespace(self, attributes: Attributes) -> Obj | None:
        return await namespace_object(self.lookup, attributes)

    async def version_for(self, hook: Hook, attributes: Attributes, namespace: Obj | None) -> Resource | None:
        """The version as which the hook wants the request; None: it does not. Raises Forbidden."""
        version = hook.matcher.version_for(attributes)
        if version is None:
            return None
        labels = labels_of(namespace) if namespace is not None else None
        if not hook.matcher.selects(attributes, labels):
            return None
        await prepared(self.conversions, attributes, version)
        if hook.conditions:
            asker = Asker(self.authorizer, attributes.user)
            try:
                if not hook.conditions.hold(variables_of(attributes, version, namespace), asker):
                    return None
            except ConditionsFailed as error:
                raise attributes.forbidden(str(error)) from None
        return version

    async def ask(self, hook: Hook, attributes: Attributes, version: Resource, *, mutating: bool) -> review.Answer:
        """Raises HookFailed; BadRequest for a dry run that the hook cannot do."""
        if attributes.dry_run and hook.side_effects not in DRY_RUNS:
            raise errors.BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        uid = str(uuid.uuid4())
        obj, old = as_version(attributes, attributes.obj, version), as_version(attributes, attributes.old, version)
        try:
            wanted = review.version_of(hook.review_versions)
            body = review.review(wanted, uid, describe(attributes, version), obj, old)
            reply = await self.client.call(dict(hook.client_config), body, hook.timeout)
            answer = review.answer(wanted, uid, reply, mutating=mutating)
        except CallFailed as error:
            raise HookFailed(f"failed to call webhook: {error}") from error
        except review.BadAnswer as error:
            raise HookFailed(f"received invalid webhook response: {error}") from None
        for key, value in answer.audit_annotations.items():
            attributes.annotate(f"{hook.name}/{key}", value)
        for warning in answer.warnings:
            attributes.warn(warning)
        return answer


class WebhookPlugin(Plugin):
    """Of any request but those for the configurations themselves."""

    def __init__(self, hooks: Hooks, caller: Caller) -> None:
        self.hooks = hooks
        self.caller = caller

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return not is_exempt(resource)


def failure(hook: Hook, error: HookFailed) -> errors.InternalError:
    """What a request is answered whose webhook failed, where that is not ignored."""
    return errors.InternalError(
        f'Internal error occurred: failed calling webhook "{hook.name}": {error}',
        causes=[errors.Cause("", f'failed calling webhook "{hook.name}": {error}')],
    )
