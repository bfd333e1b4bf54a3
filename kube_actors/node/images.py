"""Images of containers: pull policies, backoff, pull secrets, as pkg/kubelet/images has them.

Never          present, or ErrImageNeverPull
IfNotPresent   present, or pulled
Always         pulled each time, so that the registry decides; a pull that fails is a failure even if
               an image of that name is here
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj, encoding
from kube_actors.node.backoff import INITIAL, BackoffEntry, advanced, ready_at
from kube_actors.node.references import References
from kube_actors.node.runtime.interface import Image, ImageFailure, Runtime

# ErrImagePull is shown for this long before the next look makes it ImagePullBackOff.
SHOW_ERROR_SECONDS = 5.0

EmitEvent = Callable[[str, str, str], None]


class ImageUnavailable(ImageFailure):
    """The container waits for its image: try again at `retry_at`."""

    def __init__(self, message: str, reason: str, retry_at: float) -> None:
        super().__init__(message, reason)
        self.retry_at = retry_at


class Images:
    """Makes images available on the node. At most `parallel` are pulled at once; one image once."""

    def __init__(self, runtime: Runtime, references: References, clock: Clock, parallel: int) -> None:
        self._runtime = runtime
        self._references = references
        self._clock = clock
        self._slots = asyncio.Semaphore(parallel)
        self._failures: dict[tuple[str, str], tuple[BackoffEntry, float, str]] = {}

    async def ensure(self, pod: Obj, container: Obj, emit: EmitEvent) -> Image:
        """The image, pulled if the policy wants it. Raises ImageUnavailable. `emit(type, reason, message)`."""
        name = str(container["image"])
        policy = str(container.get("imagePullPolicy") or default_policy(name))
        present = None if policy == "Always" else await self._runtime.image(name)
        if present is not None:
            text = f'Container image "{name}" already present on machine and can be accessed by the pod'
            emit("Normal", "Pulled", text)
            return present
        if policy == "Never":
            text = f'Container image "{name}" is not present with pull policy of Never'
            emit("Warning", "ErrImageNeverPull", text)
            raise ImageUnavailable(text, "ErrImageNeverPull", self._clock.now() + INITIAL)
        return await self._pull(pod, name, emit)

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        for key in [each for each in self._failures if each[0] == uid]:
            del self._failures[key]

    async def _pull(self, pod: Obj, name: str, emit: EmitEvent) -> Image:
        key = (str(pod["metadata"]["uid"]), name)
        failed = self._failures.get(key)
        now = self._clock.now()
        if failed is not None and now < (until := ready_at(failed[0], failed[1])):
            emit("Normal", "BackOff", f'Back-off pulling image "{name}"')
            raise ImageUnavailable(f'Back-off pulling image "{name}": {failed[2]}', "ImagePullBackOff", until)
        emit("Normal", "Pulling", f'Pulling image "{name}"')
        try:
            image, waited = await self._pull_now(pod, name)
        except ImageFailure as error:
            entry = advanced(failed[0] if failed else None, failed[1] if failed else now, self._clock.now())
            self._failures[key] = (entry, self._clock.now(), f"{error.reason}: {error}")
            emit("Warning", "Failed", f'Failed to pull image "{name}": {error}')
            reason = error.reason if error.reason != "RuntimeError" else "ErrImagePull"
            raise ImageUnavailable(str(error), reason, self._clock.now() + SHOW_ERROR_SECONDS) from error
        self._failures.pop(key, None)
        took, total = seconds(waited[0]), seconds(waited[1])
        size = f" Image size: {image.size_bytes} bytes." if image.size_bytes else ""
        emit("Normal", "Pulled", f'Successfully pulled image "{name}" in {took} ({total} including waiting).{size}')
        return image

    async def _pull_now(self, pod: Obj, name: str) -> tuple[Image, tuple[float, float]]:
        asked = self._clock.now()
        auth = await self._credentials(pod, name)
        async with self._slots:
            begun = self._clock.now()
            image = await self._runtime.pull(name, auth)
        ended = self._clock.now()
        return image, (ended - begun, ended - asked)

    async def _credentials(self, pod: Obj, name: str) -> dict[str, str] | None:
        """What the pod's imagePullSecrets know of the image's registry."""
        namespace = str(pod["metadata"]["namespace"])
        for ref in pod["spec"].get("imagePullSecrets") or ():
            secret = await self._references.secret(namespace, str(ref.get("name") or ""))
            found = credentials(secret, name) if secret else None
            if found is not None:
                return found
        return None


def default_policy(image: str) -> str:
    """Always for the tag latest and none, else IfNotPresent."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def registry_of(image: str) -> str:
    """`docker.io` for names without a registry."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def credentials(secret: Obj, image: str) -> dict[str, str] | None:
    """The user of a kubernetes.io/dockerconfigjson secret for an image's registry; None where it has none."""
    try:
        raw = base64.b64decode((secret.get("data") or {}).get(".dockerconfigjson") or "")
        auths = encoding.loads(raw).get("auths") or {}
    except (ValueError, AttributeError):
        return None
    registry = registry_of(image)
    for server, entry in auths.items():
        host = server.removeprefix("https://").removeprefix("http://").partition("/")[0]
        if host == registry or (registry == "docker.io" and host in ("index.docker.io", "registry-1.docker.io")):
            return _login(entry, host)
    return None


def _login(entry: Obj, host: str) -> dict[str, str]:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return {"serveraddress": host}
    return {"username": username, "password": password, "serveraddress": host}


def seconds(value: float) -> str:
    """As Go prints a short duration: 350ms, 1.25s."""
    return f"{round(value * 1000)}ms" if value < 1 else f"{value:.3f}".rstrip("0").rstrip(".") + "s"
