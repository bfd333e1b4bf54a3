"""ValidatingAdmissionWebhook: webhooks that may only refuse, asked all at once."""

from __future__ import annotations

import asyncio

from kube_actors.api import errors
from kube_actors.api.resources import Resource
from kube_actors.apiserver.admission.chain import Attributes
from kube_actors.apiserver.admission.webhook import review
from kube_actors.apiserver.admission.webhook.calling import HookFailed, WebhookPlugin, failure
from kube_actors.apiserver.admission.webhook.hooks import Hook

FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io"


class ValidatingAdmissionWebhook(WebhookPlugin):
    async def validate(self, attributes: Attributes) -> None:
        hooks = self.hooks.all()
        if not hooks:
            return
        namespace = await self.caller.namespace(attributes)
        asked = []
        for index, hook in enumerate(hooks):
            version = await self.caller.version_for(hook, attributes, namespace)
            if version is not None:
                asked.append(self._refusal(hook, attributes, version, index))
        if not asked:
            return
        refusals = await asyncio.gather(*asked)
        first = next((refusal for refusal in refusals if refusal is not None), None)
        if first is not None:
            raise first

    async def _refusal(
        self, hook: Hook, attributes: Attributes, version: Resource, index: int
    ) -> errors.ApiError | None:
        try:
            answer = await self.caller.ask(hook, attributes, version, mutating=False)
        except HookFailed as error:
            if not hook.ignores_failure:
                return failure(hook, error)
            attributes.annotate(f"{FAILED_OPEN}/round_0_index_{index}", hook.name)
            return None
        except errors.BadRequest as error:  # a dry run that the webhook cannot do
            return error
        return None if answer.allowed else review.denial(hook.name, answer.result)
