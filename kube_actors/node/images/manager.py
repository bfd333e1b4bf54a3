"""Images of containers and volumes: pull policies, backoff, pull secrets, as pkg/kubelet/images has them.

Never          present, or ErrImageNeverPull
IfNotPresent   present, or pulled
Always         pulled each time, so that the registry decides; a pull that fails is a failure even if
               an image of that name is here

An image that is present because another pod's login brought it counts as absent for pods without that login.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj
from kube_actors.node.containers.references import References
from kube_actors.node.images.credentials import Login, logins
from kube_actors.node.images.pulled import PulledImages
from kube_actors.node.pods.backoff import INITIAL, BackoffEntry, advanced, ready_at
from kube_actors.node.runtime.interface import Image, ImageFailure, Runtime

log = structlog.get_logger(__name__)

# ErrImagePull is shown for this long before the next look makes it ImagePullBackOff.
SHOW_ERROR_SECONDS = 5.0

# type, reason, message
EmitEvent = Callable[[str, str, str], None]


class ImageUnavailable(ImageFailure):
    """A container waits for an image: try again at `retry_at`."""

    def __init__(self, message: str, reason: str, retry_at: float) -> None:
        super().__init__(message, reason)
        self.retry_at = retry_at


class Images:
    """Makes images available on the node. At most `parallel` are pulled at once."""

    def __init__(
        self, runtime: Runtime, references: References, pulled: PulledImages, clock: Clock, parallel: int
    ) -> None:
        self._runtime, self._references, self._pulled = runtime, references, pulled
        self._clock = clock
        self._slots = asyncio.Semaphore(parallel)
        # By uid of the pod and name of the image; by uid and id.
        self._failures: dict[tuple[str, str], tuple[BackoffEntry, float, str]] = {}
        self._granted: set[tuple[str, str]] = set()

    async def ensure(self, pod: Obj, name: str, policy: str, emit: EmitEvent) -> Image:
        """The image, pulled if the policy wants it. Raises ImageUnavailable; RuntimeFailure if nobody can say."""
        uid, policy = str(pod["metadata"]["uid"]), policy or default_policy(name)
        present = await self._find(name, emit)
        if present is not None and policy != "Always" and await self._may_use(pod, name, present, emit):
            self._granted.add((uid, present.id))
            text = f'Container image "{name}" already present on machine and can be accessed by the pod'
            emit("Normal", "Pulled", text)
            return present
        if policy == "Never":
            denied = "is present with pull policy of Never but does not have the proper credentials to access the image"
            why = "is not present with pull policy of Never" if present is None else denied
            text = f'Container image "{name}" {why}'
            emit("Warning", "ErrImageNeverPull", text)
            raise ImageUnavailable(text, "ErrImageNeverPull", self._clock.now() + INITIAL)
        image = await self._pull(uid, name, await self._logins(pod, name, emit), emit)
        self._granted.add((uid, image.id))
        return image

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        for key in [each for each in self._failures if each[0] == uid]:
            del self._failures[key]
        self._granted = {each for each in self._granted if each[0] != uid}

    async def _may_use(self, pod: Obj, name: str, image: Image, emit: EmitEvent) -> bool:
        """Its secrets are read only if it matters: a restart must not need the API server."""
        if (str(pod["metadata"]["uid"]), image.id) in self._granted or self._pulled.may_use(name, image, ()):
            return True
        return self._pulled.may_use(name, image, await self._logins(pod, name, emit))

    async def _find(self, name: str, emit: EmitEvent) -> Image | None:
        try:
            return await self._runtime.image(name)
        except ImageFailure as error:
            if error.reason != "InvalidImageName":
                raise
            emit("Warning", "InspectFailed", str(error))
            raise ImageUnavailable(str(error), error.reason, self._clock.now() + INITIAL) from error

    async def _pull(self, uid: str, name: str, known: Sequence[Login], emit: EmitEvent) -> Image:
        key = (uid, name)
        failed = self._failures.get(key)
        now = self._clock.now()
        if failed is not None and now < (until := ready_at(failed[0], failed[1])):
            emit("Normal", "BackOff", f'Back-off pulling image "{name}"')
            raise ImageUnavailable(f'Back-off pulling image "{name}": {failed[2]}', "ImagePullBackOff", until)
        emit("Normal", "Pulling", f'Pulling image "{name}"')
        try:
            image, waited = await self._pull_now(name, known)
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

    async def _pull_now(self, name: str, known: Sequence[Login]) -> tuple[Image, tuple[float, float]]:
        """The image, the seconds of the pull, and those since it was asked for."""
        asked = self._clock.now()
        async with self._slots:
            begun = self._clock.now()
            before = await self._runtime.images()
            image, login = await self._pull_with(name, known)
            try:
                self._pulled.pulled(name, image, before, login, begun)
            except OSError as error:
                # The image is here all the same. It counts as somebody else's: it will not be removed.
                log.warning("the pull of an image is not recorded", image=name, error=str(error))
        ended = self._clock.now()
        return image, (ended - begun, ended - asked)

    async def _pull_with(self, name: str, known: Sequence[Login]) -> tuple[Image, Login | None]:
        """Each login in turn, until one succeeds; where there is none, as nobody."""
        if not known:
            return await self._runtime.pull(name), None
        failures: list[ImageFailure] = []
        for login in known:
            try:
                return await self._runtime.pull(name, login.auth()), login
            except ImageFailure as error:
                failures.append(error)
        if len(failures) == 1:
            raise failures[0]
        texts = ", ".join(dict.fromkeys(str(each) for each in failures))
        raise ImageFailure(f"[{texts}]", failures[-1].reason) from failures[-1]

    async def _logins(self, pod: Obj, name: str, emit: EmitEvent) -> list[Login]:
        """What the pod's imagePullSecrets know of the image's registry. Raises ApiError or RpcError."""
        namespace, found, missing = str(pod["metadata"]["namespace"]), [], []
        for ref in pod["spec"].get("imagePullSecrets") or ():
            secret = await self._references.secret(namespace, str(ref.get("name") or ""))
            if secret is None:
                missing.append(str(ref.get("name") or ""))
            else:
                found.append(secret)
        if missing:
            text = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
            text += "attempting to pull the image may not succeed."
            emit("Warning", "FailedToRetrieveImagePullSecret", text)
        return logins(found, name)


def default_policy(image: str) -> str:
    """Always for the tag latest and none, else IfNotPresent."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def seconds(value: float) -> str:
    """As Go prints a short duration: 350ms, 1.25s."""
    return f"{round(value * 1000)}ms" if value < 1 else f"{value:.3f}".rstrip("0").rstrip(".") + "s"
