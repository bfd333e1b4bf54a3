"""Events about pods and their containers, as kubelet words them."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.client.events import Recorder

NORMAL, WARNING = "Normal", "Warning"


class PodEvents:
    """Says what happened to a pod or to one of its containers. Never waits, never fails."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def pod(self, pod: Obj, type: str, reason: str, message: str) -> None:
        self._recorder.event(pod, type, reason, message)

    def container(self, pod: Obj, name: str, type: str, reason: str, message: str) -> None:
        self._recorder.event(pod, type, reason, message, field_path=field_path(pod, name))


def field_path(pod: Obj, name: str) -> str:
    """`spec.containers{NAME}`, or the list in which the container is."""
    for key in ("initContainers", "ephemeralContainers"):
        if any(each["name"] == name for each in pod["spec"].get(key) or ()):
            return f"spec.{key}{{{name}}}"
    return f"spec.containers{{{name}}}"
