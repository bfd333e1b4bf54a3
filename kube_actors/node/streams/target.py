"""Which container a request means."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.container_choice import container_of
from kube_actors.api.errors import InternalError, not_found
from kube_actors.node.pods.facts import Facts
from kube_actors.node.pods.manager import PodManager
from kube_actors.node.pods.view import ContainerView, PodView, Run, view_pod
from kube_actors.node.runtime.interface import Runtime
from kube_actors.node.status.container_status import Frame, container_status


@dataclass(frozen=True, slots=True)
class Target:
    """A container of a pod as the runtime has it."""

    pod: Obj
    pod_view: PodView
    view: ContainerView
    runtime: Runtime


@dataclass(frozen=True, slots=True)
class Served:
    """A node whose pods can be reached."""

    pods: PodManager
    runtime: Runtime


class Targets:
    """Finds pods and containers by name. Raises ApiErrors in Kubernetes' words."""

    def __init__(self) -> None:
        self._nodes: dict[str, Served] = {}

    def put(self, node: str, pods: PodManager, runtime: Runtime) -> None:
        self._nodes[node] = Served(pods, runtime)

    def drop(self, node: str) -> None:
        self._nodes.pop(node, None)

    async def pod(self, namespace: str, name: str, uid: str = "") -> tuple[Obj, PodView, Runtime]:
        for node in self._nodes.values():
            pod = node.pods.find(namespace, name, uid)
            if pod is not None:
                record = await node.runtime.pod(str(pod["metadata"]["uid"]))
                return pod, view_pod(pod, record, pod.get("status")), node.runtime
        raise not_found("pods", "", name)

    async def container(self, namespace: str, name: str, container: str, uid: str = "") -> Target:
        """`container` empty: the default one, or the only one."""
        pod, pod_view, runtime = await self.pod(namespace, name, uid)
        wanted = container_of(pod, container)
        return Target(pod, pod_view, next(each for each in pod_view.containers if each.name == wanted), runtime)


def running(target: Target) -> Run:
    """The running run of a container. Raises InternalError, in kubelet's words, where it does not run."""
    run = target.view.latest
    if run is None or not run.running:
        raise InternalError(f'container not found ("{target.view.name}")')
    return run


# What kubelet says instead of a reason (kubelet's validateContainerLogStatus).
_PULL_FAILURES = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


def waiting_reason(target: Target) -> str:
    """Why a container that never ran does not run, as kubelet says it to who asks for logs."""
    known = _known_status(target.pod, target.view.name)
    if known is None:
        frame = Frame(target.pod, Facts(), 0.0, target.pod_view.initialized)
        known = container_status(target.view, frame)
    reason = str(((known.get("state") or {}).get("waiting") or {}).get("reason") or "ContainerCreating")
    return _PULL_FAILURES.get(reason, reason)


def _known_status(pod: Obj, name: str) -> Obj | None:
    status = pod.get("status") or {}
    for key in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for each in status.get(key) or ():
            if each["name"] == name:
                return dict(each)
    return None
