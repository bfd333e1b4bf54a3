"""kactl cp: files between this machine and a container, by the container's own tar, as kubectl does it."""

from __future__ import annotations

import argparse
import io
import os
import posixpath
import sys
import tarfile
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kube_actors import archives
from kube_actors.aio.tasks import Tasks
from kube_actors.client.client import KubeClient
from kube_actors.cluster import loop
from kube_actors.rpc.channel import Conversation
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as pb

from . import session
from .failure import Failure, usage
from .scope import DEFAULT_NAMESPACE

CHUNK = 64 * 1024
# A larger archive waits in a file.
IN_MEMORY = 8 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a container."""

    namespace: str
    pod: str
    container: str
    path: str


def run(arguments: argparse.Namespace) -> int:
    return loop.run(copy(arguments))


async def copy(arguments: argparse.Namespace) -> int:
    """One of the two is [NAMESPACE/]POD:PATH."""
    source, target = _place(arguments, arguments.source), _place(arguments, arguments.target)
    if (source is None) == (target is None):
        raise usage("one of source or target has to be a path in a container: [NAMESPACE/]POD:PATH")
    async with session.client(arguments) as client:
        if target is not None:
            await _upload(client, Path(arguments.source), target)
        elif source is not None:
            await _download(client, source, Path(arguments.target))
    return 0


def _place(arguments: argparse.Namespace, text: str) -> Place | None:
    pod, colon, path = text.partition(":")
    if not colon or text.startswith(("/", ".")):
        return None
    namespace, _, name = pod.rpartition("/")
    if not name or not path:
        raise usage(f"{text!r} is no [NAMESPACE/]POD:PATH")
    return Place(namespace or arguments.namespace or DEFAULT_NAMESPACE, name, arguments.container, path)


async def _upload(client: KubeClient, source: Path, target: Place) -> None:
    folder, name = posixpath.split(target.path.rstrip("/"))
    if target.path.endswith("/"):
        folder, name = target.path, source.name
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as archive:
        try:
            with tarfile.open(fileobj=archive, mode="w") as tar:
                tar.add(source, arcname=name)
        except FileNotFoundError as error:
            raise usage(f"{error.filename} doesn't exist in local filesystem") from None
        archive.seek(0)
        words = ("tar", "-xmf", "-", "-C", folder or ".")
        await _tar(client, target, words, archive, io.BytesIO())


async def _download(client: KubeClient, source: Place, target: Path) -> None:
    folder, name = posixpath.split(source.path.rstrip("/"))
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as archive:
        await _tar(client, source, ("tar", "-cf", "-", "-C", folder or ".", name), None, archive)
        archive.seek(0)
        with tarfile.open(fileobj=archive) as tar:
            unpack(tar, name, target)


def unpack(tar: tarfile.TarFile, name: str, target: Path) -> None:
    """What is in the archive below `name`, put at `target` and nowhere else: a container is not trusted."""
    if target.is_dir():
        target = target / name
    for member in tar:
        inner = posixpath.normpath(member.name)
        if inner != name and not inner.startswith(f"{name}/"):
            continue
        if member.islnk():
            member.linkname = posixpath.normpath(member.linkname).removeprefix(name)
        try:
            path = archives.inside(target, inner.removeprefix(name))
            if member.issym():
                member.linkname = posixpath.normpath(member.linkname)
                _require_inside(target, path, member.linkname)
            archives.make(tar, member, target, path, member.mode & archives.MODE | 0o600)
        except archives.Refused as error:
            print(f"warning: skipping {inner!r}: {error}", file=sys.stderr)


def _require_inside(target: Path, path: Path, link: str) -> None:
    """A link that leads elsewhere would have this machine's files read or written in its place."""
    if not Path(os.path.realpath(path.parent / link)).is_relative_to(os.path.realpath(target)):
        raise archives.Refused(f"it is a link to {link!r}, out of {target}")


async def _tar(
    client: KubeClient, place: Place, words: tuple[str, ...], data: IO[bytes] | None, output: IO[bytes]
) -> None:
    conversation = await client.exec(
        place.namespace, place.pod, words, container=place.container, stdin=data is not None
    )
    complaints = b""
    tasks = Tasks("cp")
    try:
        if data is not None:
            tasks.spawn(_send(conversation, data), "send")
        async for message in conversation:
            kind = message.WhichOneof("output")
            if kind == "stdout":
                output.write(message.stdout)
            elif kind == "stderr":
                complaints = (complaints + message.stderr)[-CHUNK:]
            elif kind == "exit_code":
                if message.exit_code:
                    text = complaints.decode(errors="replace").strip()
                    raise Failure(f"error: {text or 'tar failed'}", message.exit_code)
                return
        raise RpcError("UNAVAILABLE", "the server ended the session")
    finally:
        await tasks.stop()
        conversation.cancel()


async def _send(conversation: Conversation, data: IO[bytes]) -> None:
    with suppress(RpcError):
        while chunk := data.read(CHUNK):
            await conversation.write(pb.ExecInput(stdin=chunk))
        await conversation.write(pb.ExecInput(stdin_closed=True))
