"""Static pods: manifests in a folder of the node, which run with or without an API server.

a file comes, changes, goes ─> a pod of the node itself: NAME-NODE, its uid a hash of the manifest
the API shows it by a mirror ─> a Pod annotated kubernetes.io/config.mirror, made anew whenever somebody deletes it
its status ─> the mirror's

Deleting the mirror does not end the pod; removing the file does. A file that is no Pod is told in the log and left
out; the others run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import structlog
import yaml

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists, KubeActorsError, NotFound
from kube_actors.api.meta import annotations_of, is_deleting, key_of, name_of, namespace_of, uid_of
from kube_actors.api.resources import NODES, PODS
from kube_actors.client.interface import Client

log = structlog.get_logger(__name__)

SOURCE, HASH, MIRROR = "kubernetes.io/config.source", "kubernetes.io/config.hash", "kubernetes.io/config.mirror"
# Taints do not move a pod that nobody scheduled.
TOLERATE_ALL = {"operator": "Exists", "effect": "NoExecute"}
# How often the folder is read; kubelet's fileCheckFrequency is 20 s, with notifications besides.
PERIOD = 5.0
SUFFIXES = (".yaml", ".yml", ".json")


def is_mirror(pod: Obj) -> bool:
    return MIRROR in annotations_of(pod)


def is_static(pod: Obj) -> bool:
    return annotations_of(pod).get(SOURCE) == "file"


def read_folder(folder: Path, node: str) -> list[Obj]:
    """The pods of all manifests. What cannot be read is logged and left out."""
    found: dict[str, Obj] = {}
    for file in sorted(folder.glob("*")) if folder.is_dir() else ():
        if file.suffix not in SUFFIXES or file.name.startswith("."):
            continue
        try:
            pod = static_pod(file.read_bytes(), node)
        except (OSError, ValueError, yaml.YAMLError) as error:
            log.warning("static pod not read", file=str(file), error=" ".join(str(error).split()))
            continue
        if key_of(pod) in found:
            log.warning("static pod not read", file=str(file), error=f"another file has the pod {key_of(pod)}")
            continue
        found[key_of(pod)] = pod
    return list(found.values())


def static_pod(manifest: bytes, node: str) -> Obj:
    """The pod of a manifest. Raises ValueError or YAMLError for what is no Pod."""
    content = yaml.safe_load(manifest)
    if not isinstance(content, dict) or content.get("kind") != "Pod" or content.get("apiVersion") != "v1":
        raise ValueError("is no Pod of v1")
    metadata, spec = content.get("metadata") or {}, content.get("spec") or {}
    if not metadata.get("name") or not spec.get("containers"):
        raise ValueError("has no name, or no containers")
    digest = hashlib.md5(manifest + node.encode(), usedforsecurity=False).hexdigest()
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata
        | {
            "name": f"{metadata['name']}-{node}",
            "namespace": metadata.get("namespace") or "default",
            "uid": digest,
            "annotations": (metadata.get("annotations") or {}) | {SOURCE: "file", HASH: digest},
        },
        "spec": spec
        | {
            "nodeName": node,
            "restartPolicy": spec.get("restartPolicy") or "Always",
            "tolerations": [*(spec.get("tolerations") or ()), TOLERATE_ALL],
        },
        "status": {"phase": "Pending"},
    }


def mirror_of(pod: Obj, owner: Obj) -> Obj:
    """What the API shows of a static pod. `owner` is the Node, with which it goes."""
    reference = {
        "apiVersion": "v1",
        "kind": "Node",
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
    }
    kept = {key: pod["metadata"][key] for key in ("name", "namespace", "labels") if key in pod["metadata"]}
    annotations = annotations_of(pod) | {MIRROR: uid_of(pod)}
    metadata = kept | {"annotations": annotations, "ownerReferences": [reference]}
    # A service-account token cannot be bound to a pod that the API server does not know.
    spec = pod["spec"] | {"automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


class Pods(Protocol):
    """The node's pods, as the informer's handler tells them."""

    def on_add(self, obj: Obj, is_initial: bool) -> None: ...

    def on_update(self, old: Obj, new: Obj) -> None: ...

    def on_delete(self, obj: Obj) -> None: ...


class Statuses(Protocol):
    """Where a static pod's status is written: to its mirror."""

    def mirrored(self, uid: str, mirror: Obj | None) -> None: ...


class StaticPods:
    """The informer's handler: mirrors are its own, every other pod is passed on to `pods`."""

    def __init__(self, folder: Path, node: str, client: Client, pods: Pods, statuses: Statuses, clock: Clock) -> None:
        self._folder, self._node = folder, node
        self._client, self._pods, self._statuses, self._clock = client, pods, statuses, clock
        self._static: dict[str, Obj] = {}
        self._mirrors: dict[str, Obj] = {}
        self._tasks = Tasks(f"node/{node}/static-pods")

    def load(self) -> None:
        """Read the folder: pods that came, changed or went are begun and ended. A changed manifest is another pod."""
        wanted = {uid_of(pod): pod for pod in read_folder(self._folder, self._node)}
        for uid in self._static.keys() - wanted.keys():
            self._pods.on_delete(self._static.pop(uid))
        for uid in wanted.keys() - self._static.keys():
            self._static[uid] = wanted[uid]
            self._pods.on_add(wanted[uid], False)

    def start(self) -> None:
        self._tasks.spawn_forever(self._run(), "follow")

    async def stop(self) -> None:
        await self._tasks.stop()

    # The informer's handler

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        if not is_mirror(obj):
            self._pods.on_add(obj, is_initial)
            return
        self._mirrors[key_of(obj)] = obj
        self._statuses.mirrored(annotations_of(obj)[MIRROR], obj)

    def on_update(self, old: Obj, new: Obj) -> None:
        if is_mirror(new):
            self.on_add(new, False)
        else:
            self._pods.on_update(old, new)

    def on_delete(self, obj: Obj) -> None:
        if not is_mirror(obj):
            self._pods.on_delete(obj)
            return
        self._mirrors.pop(key_of(obj), None)
        self._statuses.mirrored(annotations_of(obj)[MIRROR], None)

    async def _run(self) -> None:
        while True:
            try:
                self.load()
                await self._mirror(self._static.values())
            except (KubeActorsError, OSError) as error:
                log.info("static pods are not shown", node=self._node, error=str(error))
            await self._clock.sleep(PERIOD)

    async def _mirror(self, pods: Iterable[Obj]) -> None:
        """Bring the mirrors to what runs: those that are outdated or being deleted go, missing ones are made."""
        wanted = {key_of(pod): pod for pod in pods}
        for key, mirror in list(self._mirrors.items()):
            current = wanted.get(key)
            if current is None or annotations_of(mirror)[MIRROR] != uid_of(current) or is_deleting(mirror):
                await self._remove(mirror)
                self._mirrors.pop(key, None)
        missing = [pod for key, pod in wanted.items() if key not in self._mirrors]
        if missing:
            owner = await self._client.get(NODES, self._node)
            for pod in missing:
                await self._create(mirror_of(pod, owner))

    async def _create(self, mirror: Obj) -> None:
        try:
            await self._client.create(PODS, mirror)
        except AlreadyExists:
            # The informer shows it in a moment; a pod that is no mirror keeps the name.
            log.info("the mirror's name is taken", pod=key_of(mirror))

    async def _remove(self, mirror: Obj) -> None:
        try:
            await self._client.delete(PODS, name_of(mirror), namespace_of(mirror), uid=uid_of(mirror), grace_seconds=0)
        except NotFound:
            return
