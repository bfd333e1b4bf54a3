"""Images on the engine: look, pull, remove, import."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiodocker
import aiohttp

from kube_actors.node.runtime.docker.engine import UNREACHABLE, Engine, EngineUnavailable, failures
from kube_actors.node.runtime.interface import Image, ImageFailure, RuntimeFailure

# name[:tag][@digest] after distribution/reference; the parts before the last slash may be a host with a port.
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]{{32,}}))?",
    re.ASCII,
)
# A pull that shows no progress for so long is ended, as kubelet's imagePullProgressDeadline did.
PROGRESS_SECONDS = 60.0
# Images that this package makes: no registry has them.
OWN = "kube-actors/"
_IMAGE_ID = re.compile(r"(sha256:)?[0-9a-f]{64}")


def parse_reference(name: str) -> tuple[str, str]:
    """(name, tag or digest) as `images/create` wants them. Raises ImageFailure with InvalidImageName."""
    match = _REFERENCE.fullmatch(name)
    if match is None:
        problem = f'couldn\'t parse image name "{name}": invalid reference format'
        raise ImageFailure(f'Failed to apply default image tag "{name}": {problem}', "InvalidImageName")
    return match["name"], match["digest"] or match["tag"] or "latest"


def full_id(id: str) -> str:
    """Podman leaves the prefix out in places."""
    return id if id.startswith("sha256:") else f"sha256:{id}"


def image_of(answer: Mapping[str, Any]) -> Image:
    """From the answer to an inspect, or an item of the list, which does not tell the user."""
    names = [name for name in answer.get("RepoTags") or () if name != "<none>:<none>"]
    digests = [name for name in answer.get("RepoDigests") or () if not name.startswith("<none>")]
    user = str((answer.get("Config") or {}).get("User") or "").split(":")[0]
    return Image(
        id=full_id(str(answer["Id"])),
        names=tuple(names),
        size_bytes=int(answer.get("Size") or 0),
        user=int(user) if user.isdigit() else None,
        user_name="" if user.isdigit() else user,
        digests=tuple(digests),
        pinned=any(name.removeprefix("localhost/").removeprefix("docker.io/").startswith(OWN) for name in names),
    )


def pull_failure(name: str, message: str) -> ImageFailure:
    return ImageFailure(f'failed to pull image "{name}": {message}', "ErrImagePull")


class Images:
    """The image calls of the runtime interface."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def find(self, name: str) -> Image | None:
        if not _IMAGE_ID.fullmatch(name):
            parse_reference(name)
        async with failures():
            try:
                return image_of(await self._engine.docker.images.inspect(name))
            except aiodocker.DockerError as exc:
                if exc.status == 404:
                    return None
                raise

    async def pull(self, name: str, auth: Mapping[str, str] | None = None) -> Image:
        repository, tag = parse_reference(name)
        headers = {"X-Registry-Auth": registry_auth(auth)} if auth else {}
        params = {"fromImage": repository, "tag": tag}
        try:
            async with self._engine.request("POST", "images/create", params=params, headers=headers) as response:
                await _until_done(response.content, PROGRESS_SECONDS)
        except TimeoutError as exc:
            # The engine ends the pull when we hang up.
            raise pull_failure(name, f"no progress for {PROGRESS_SECONDS:g}s") from exc
        except aiodocker.DockerError as exc:
            if exc.status == UNREACHABLE:
                raise EngineUnavailable(exc.message) from exc
            raise pull_failure(name, exc.message) from exc
        except aiohttp.ClientError as exc:
            raise EngineUnavailable(f"the Docker engine broke off: {exc}") from exc
        image = await self.find(name)
        if image is None:
            raise pull_failure(name, "the engine pulled it, but does not have it")
        return image

    async def list(self) -> list[Image]:
        async with failures():
            return [image_of(item) for item in await self._engine.docker.images.list()]

    async def remove(self, image_id: str) -> None:
        """By name or id; with an id all its names go. Nothing happens if it is not there.

        Never by force: the engine would remove the image from under containers that do not run at the moment.
        """
        image = await self.find(image_id) if _IMAGE_ID.fullmatch(image_id) else None
        async with failures("ImageRemovalFailed"):
            for name in (*(image.names if image is not None else ()), image_id):
                try:
                    await self._engine.docker.images.delete(name)
                except aiodocker.DockerError as exc:
                    if exc.status != 404:
                        raise

    async def load_root(self, name: str, tar: bytes | AsyncIterator[bytes], changes: Sequence[str] = ()) -> Image:
        """Make an image of one layer from the tar of a root file system; `changes` are Dockerfile lines."""
        parse_reference(name)
        # The name in one piece, as Docker's own client sends it: Podman knows no `tag` here.
        params = [("fromSrc", "-"), ("repo", name)] + [("changes", line) for line in changes]
        headers = {"Content-Type": "application/x-tar"}
        async with (
            failures("ImageImportFailed"),
            self._engine.request("POST", "images/create", params=params, data=tar, headers=headers) as response,
        ):
            await _until_done(response.content)
        image = await self.find(name)
        if image is None:
            raise RuntimeFailure(f"the engine imported {name}, but does not have it", "ImageImportFailed")
        return image


def registry_auth(auth: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(dict(auth)).encode()).decode()


async def _until_done(progress: aiohttp.StreamReader, patience: float | None = None) -> None:
    """Read the progress stream to its end; an error arrives in it, after the status 200.

    Raises TimeoutError where nothing comes for `patience` seconds.
    """
    while True:
        async with asyncio.timeout(patience):
            line = await progress.readline()
        if not line:
            return
        if not line.strip():
            continue
        step = json.loads(line)
        if "error" in step:
            raise aiodocker.DockerError(500, str((step.get("errorDetail") or {}).get("message") or step["error"]))
