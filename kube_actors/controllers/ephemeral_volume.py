"""Generic ephemeral volumes: a claim for each, made with the pod and gone with it."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists
from kube_actors.api.meta import controller_ref, is_deleting, key_of, make_key, name_of, namespace_of
from kube_actors.api.resources import PODS
from kube_actors.api.volumes import CLAIMS, claim_name, is_made_for
from kube_actors.controllers.actions import WARNING, CreateObject
from kube_actors.controllers.base import Context, Controller, NotYet, On, is_namespace_terminating


def claim_for(pod: Obj, volume: Obj) -> Obj:
    """The claim of one ephemeral volume (core/v1 EphemeralVolumeSource)."""
    template = volume["ephemeral"]["volumeClaimTemplate"]
    given = template.get("metadata") or {}
    metadata = {key: given[key] for key in ("labels", "annotations") if given.get(key)}
    metadata |= {"name": claim_name(pod, volume), "namespace": namespace_of(pod)}
    owner = controller_ref({"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"]})
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata | {"ownerReferences": [owner]},
        "spec": template.get("spec") or {},
    }


class EphemeralVolumeController(Controller):
    """Keys are pods."""

    name = "ephemeral-volume"
    event_source = "ephemeral_volume"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods = self.informer(PODS)
        self.claims = self.informer(CLAIMS)
        self.pods.add_handler(On(self._pod, lambda old, new: self._pod(new), lambda pod: None))
        self.claims.add_handler(On(lambda claim: None, lambda old, new: None, self._claim_gone))

    def _pod(self, pod: Obj) -> None:
        if not is_deleting(pod) and any(each.get("ephemeral") for each in pod["spec"].get("volumes") or ()):
            self.enqueue(pod)

    def _claim_gone(self, claim: Obj) -> None:
        for owner in claim["metadata"].get("ownerReferences") or ():
            if owner.get("kind") == "Pod" and owner.get("controller"):
                self.queue.add(make_key(namespace_of(claim), str(owner["name"])))

    async def sync(self, key: str) -> None:
        pod = self.pods.get(key)
        if pod is None or is_deleting(pod):
            return
        for volume in pod["spec"].get("volumes") or ():
            if volume.get("ephemeral") is not None and (problem := await self._ensure(key, pod, volume)):
                text = f"ephemeral volume {volume['name']}: {problem}"
                self.context.recorder.event(pod, WARNING, "FailedBinding", text)
                raise NotYet(text)

    async def _ensure(self, key: str, pod: Obj, volume: Obj) -> str:
        """Why there is no claim; empty where there is one, or need be none."""
        wanted = claim_for(pod, volume)
        present = self.claims.get(key_of(wanted))
        if present is None:
            error = (await self.perform(key, [CreateObject(CLAIMS, wanted)])).error
            if isinstance(error, AlreadyExists):
                # The cache is behind, or the name is somebody else's; the next look tells.
                raise error
            if error is not None and not is_namespace_terminating(error):
                return f"create PVC {name_of(wanted)}: {error}"
        elif not is_made_for(present, pod):
            return f"PVC {key_of(wanted)} was not created for pod {key_of(pod)} (pod is not owner)"
        return ""
