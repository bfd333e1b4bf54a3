"""MutatingAdmissionWebhook: webhooks change the object, one after another, each seeing what those before it made.

A webhook that asks for it (reinvocationPolicy) is called a second time when the object was changed after it.
"""

from __future__ import annotations

import copy

from kube_actors.api import encoding, errors
from kube_actors.api.patch import PatchError, json_patch
from kube_actors.api.resources import Resource
from kube_actors.apiserver.admission.admission_request import as_version, taken_back
from kube_actors.apiserver.admission.chain import Attributes
from kube_actors.apiserver.admission.webhook import review
from kube_actors.apiserver.admission.webhook.calling import HookFailed, WebhookPlugin, failure
from kube_actors.apiserver.admission.webhook.hooks import Hook

NAME = "MutatingAdmissionWebhook"
AUDIT = "mutation.webhook.admission.k8s.io"
FAILED_OPEN = "failed-open.mutation.webhook.admission.k8s.io"


class MutatingAdmissionWebhook(WebhookPlugin):
    async def admit(self, attributes: Attributes) -> None:
        hooks = self.hooks.all()
        if not hooks:
            return
        rounds = attributes.rounds.of(NAME)
        rounds.begin(attributes)
        namespace = await self.caller.namespace(attributes)
        for index, hook in enumerate(hooks):
            version = await self.caller.version_for(hook, attributes, namespace)
            if version is None or not rounds.wants(hook.uid):
                continue
            changed = await self._mutate(hook, attributes, version, f"round_{attributes.rounds.number}_index_{index}")
            if changed:
                rounds.changed()
            if hook.reinvocable:
                rounds.called(hook.uid)
        rounds.end(attributes)

    async def _mutate(self, hook: Hook, attributes: Attributes, version: Resource, place: str) -> bool:
        try:
            answer = await self.caller.ask(hook, attributes, version, mutating=True)
        except HookFailed as error:
            if not hook.ignores_failure:
                raise failure(hook, error) from error
            attributes.annotate(f"{FAILED_OPEN}/{place}", hook.name)
            return False
        if not answer.allowed:
            raise review.denial(hook.name, answer.result)
        changed = await self._apply(attributes, version, answer)
        told = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}
        attributes.annotate(f"{AUDIT}/{place}", encoding.dumps(told).decode())
        return changed

    async def _apply(self, attributes: Attributes, version: Resource, answer: review.Answer) -> bool:
        """Do what the answer's patch says; whether that changed the object."""
        if not answer.patch:
            return False
        if attributes.obj is None:
            text = "admission webhook attempted to modify the object, which is not supported for this operation"
            raise errors.InternalError(f"Internal error occurred: {text}")
        before = copy.deepcopy(attributes.obj)
        try:
            patched = json_patch(as_version(attributes, attributes.obj, version), answer.patch)
        except PatchError as error:
            raise errors.InternalError(f"Internal error occurred: {error.message}") from None
        attributes.obj = await taken_back(self.caller.conversions, attributes, patched, version)
        return attributes.obj != before
