"""The binder: claims and volumes find each other, and volumes without a claim are reclaimed."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.errors import NotFound
from kube_actors.api.meta import get_path, key_of, make_key, split_key
from kube_actors.api.resources import NODES
from kube_actors.api.volumes import AVAILABLE, CLAIMS, STORAGE_CLASSES, VOLUMES, class_of, is_fully_bound
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.persistentvolume.claims import World, plan_claim
from kube_actors.controllers.persistentvolume.provision import provisioners
from kube_actors.controllers.persistentvolume.volumes import plan_volume

CLAIM, VOLUME = "claim:", "volume:"


class PersistentVolumeBinder(Controller):
    """Keys are `claim:NAMESPACE/NAME` and `volume:NAME`.

    One worker: a volume that one claim takes must not be taken by the next before the cache shows it, and the
    volume's resourceVersion catches what the cache does not show yet.
    """

    name = "persistentvolume-binder"
    event_source = "persistentvolume-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.claims = self.informer(CLAIMS)
        self.volumes = self.informer(VOLUMES)
        self.classes = self.informer(STORAGE_CLASSES)
        self.nodes = self.informer(NODES)
        storage = context.config.storage
        made_here = provisioners(storage.local_root, storage.shared_root, keeps_files=storage.keeps_files)
        self.world = World(
            self.volumes.get, self.volumes.list, self.classes.get, self.classes.list, self.nodes.get, made_here
        )
        self.claims.add_handler(On(self._claim, lambda old, new: self._claim(new), self._claim))
        self.volumes.add_handler(On(self._volume, lambda old, new: self._volume(new), self._volume))
        self.classes.add_handler(On(self._class, lambda old, new: self._class(new), lambda gone: None))

    def _claim(self, claim: Obj) -> None:
        self.queue.add(CLAIM + key_of(claim))
        if claim["spec"].get("volumeName"):
            self.queue.add(VOLUME + str(claim["spec"]["volumeName"]))

    def _volume(self, volume: Obj) -> None:
        self.queue.add(VOLUME + key_of(volume))
        reference = volume["spec"].get("claimRef")
        if reference is not None:
            self.queue.add(CLAIM + make_key(str(reference["namespace"]), str(reference["name"])))
        elif get_path(volume, "status", "phase") == AVAILABLE:
            self._wake(class_of(volume))

    def _class(self, storage_class: Obj) -> None:
        self._wake(str(storage_class["metadata"]["name"]))
        # It may be the default of claims that name none.
        self._wake("")

    def _wake(self, class_name: str) -> None:
        """The claims of that class that still look for a volume."""
        for claim in self.claims.list():
            if class_of(claim) == class_name and not is_fully_bound(claim):
                self.queue.add(CLAIM + key_of(claim))

    async def sync(self, key: str) -> None:
        if key.startswith(CLAIM):
            claim = self.claims.get(key.removeprefix(CLAIM))
            actions = plan_claim(claim, self.world) if claim is not None else []
        else:
            volume = self.volumes.get(key.removeprefix(VOLUME))
            actions = plan_volume(volume, await self._claim_of(volume), self.world.provisioners) if volume else []
        (await self.perform(key, actions)).raise_error()

    async def _claim_of(self, volume: Obj) -> Obj | None:
        """The claim that the volume names. That it is gone is believed of the API server alone: data hang on it."""
        reference = volume["spec"].get("claimRef")
        if reference is None:
            return None
        key = make_key(str(reference["namespace"]), str(reference["name"]))
        found = self.claims.get(key)
        if found is not None and found["metadata"].get("uid") == reference.get("uid"):
            return found
        namespace, name = split_key(key)
        try:
            return await self.client.get(CLAIMS, name, namespace)
        except NotFound:
            return None
