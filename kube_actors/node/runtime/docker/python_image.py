"""An image made from this machine's own Python, so that something real runs where nothing can be pulled.

It holds the interpreter, the shared libraries that the interpreter and its extension modules load, and the standard
library without tests, IDLE, Tk and installed packages; no shell. The layout is /usr/bin/python3 with /usr/lib, found
by the interpreter from its own place, so no variable has to be set.

    image = await ensure_image_from_python(engine)      # "kube-actors/python:3.11.7"

It is built once: a label keeps a digest of what went in, and an image with the same digest is kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import platform
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from kube_actors.node.runtime.docker import elf
from kube_actors.node.runtime.docker.engine import Engine, failures
from kube_actors.node.runtime.docker.images import Images
from kube_actors.node.runtime.interface import RuntimeFailure

CONTENT = "kube-actors.content"
# Part of the digest: another way to build gives another image.
RECIPE = 1
LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "idle_test", "tkinter", "turtledemo", "turtle.py", "ensurepip", "lib2to3",
     "site-packages", "dist-packages", "pydoc_data"}
)  # fmt: skip
# Modules that Debian's Python leaves to other packages, and Tk's.
LEFT_OUT_PREFIXES = ("config-", "_tkinter", "_test", "_ctypes_test", "xxlimited")
# Opened by the C library while it runs, so that no loader lists them; older ones need them for host names.
LOADED_LATER = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libgcc_s.so.1")
_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class PythonHome:
    """Where an interpreter and its standard library are."""

    executable: Path
    stdlib: Path
    prefix: Path

    @classmethod
    def of_this_process(cls) -> PythonHome:
        prefix = Path(sys.base_prefix)
        executable = Path(os.path.realpath(sys.executable or "/usr/bin/python3"))
        return cls(executable, Path(os.__file__).resolve().parent, Path(os.path.realpath(prefix)))

    def place(self) -> PurePosixPath:
        """Where the standard library stands in the image."""
        try:
            return PurePosixPath("usr") / self.stdlib.relative_to(self.prefix)
        except ValueError:
            return PurePosixPath(f"usr/lib/{self.stdlib.name}")


def python_image_name() -> str:
    return f"kube-actors/python:{platform.python_version()}"


async def ensure_image_from_python(docker: Engine, name: str = "") -> str:
    """Make the image if it is not there, and return its name. Raises RuntimeFailure."""
    name = name or python_image_name()
    home = PythonHome.of_this_process()
    digest = await asyncio.to_thread(content_digest, home)
    images = Images(docker)
    if await images.find(name) is not None:
        async with failures():
            labels = (await docker.docker.images.inspect(name))["Config"].get("Labels") or {}
        if labels.get(CONTENT) == digest:
            return name
    # Unbuffered, because what a container prints is its log.
    changes = (
        'CMD ["python3"]',
        "ENV PATH=/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1",
        f"LABEL {CONTENT}={digest}",
    )
    with tempfile.TemporaryFile() as file:
        try:
            await asyncio.to_thread(write_image, home, file)
        except OSError as exc:
            raise RuntimeFailure(f"the Python of this machine cannot be packed: {exc}", "ImageBuildFailed") from exc
        file.seek(0)
        await images.load_root(name, _chunks(file), changes)
    return name


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, _CHUNK):
        yield chunk


def stdlib_files(home: PythonHome) -> Iterator[Path]:
    """What of the standard library goes in, in a stable order."""
    for folder, folders, files in os.walk(home.stdlib):
        folders[:] = sorted(name for name in folders if not _left_out(name))
        for file in sorted(files):
            if file.endswith((".opt-1.pyc", ".opt-2.pyc", ".a", ".exe")) or _left_out(file):
                continue
            yield Path(folder, file)


def _left_out(name: str) -> bool:
    return name in LEFT_OUT or name.startswith(LEFT_OUT_PREFIXES)


def content_digest(home: PythonHome) -> str:
    """Of what the image is made of, by names, sizes and times: quick, and new after an update of Python."""
    digest = hashlib.sha256(f"{RECIPE} {platform.python_version()}\n".encode())
    for file in (home.executable, *stdlib_files(home)):
        info = file.stat()
        digest.update(f"{file} {info.st_size} {info.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def write_image(home: PythonHome, out: IO[bytes]) -> None:
    """The root file system as a tar; the same machine gives the same bytes. Raises OSError."""
    program = home.executable.read_bytes()
    loader = elf.interpreter(program)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        _add_basics(archive)
        _add(archive, f"usr/bin/{version}", program, home.executable)
        for alias in ("python3", "python"):
            _add_link(archive, f"usr/bin/{alias}", version)
        modules = []
        for file in stdlib_files(home):
            _add(archive, str(home.place() / file.relative_to(home.stdlib)), file.read_bytes(), file)
            if ".so" in file.suffixes:
                modules.append(file)
        if loader is not None:
            _add_libraries(archive, loader, [home.executable, *modules])


def _add_libraries(archive: tarfile.TarFile, loader: str, programs: list[Path]) -> None:
    """All into the folder of the C library, which its loader searches whatever else it was told."""
    found: dict[str, Path] = {}
    for program in programs:
        for library in elf.libraries(loader, program):
            found.setdefault(library.name, library)
    libc = next((path for name, path in sorted(found.items()) if name.startswith("libc.")), None)
    folder = libc.parent if libc else Path("/lib")
    for name in LOADED_LATER:
        if (folder / name).exists():
            found.setdefault(name, folder / name)
    found.pop(Path(loader).name, None)
    _add(archive, loader.lstrip("/"), Path(loader).read_bytes(), Path(loader))
    for name, path in sorted(found.items()):
        _add(archive, f"{str(folder).lstrip('/')}/{name}", path.read_bytes(), path)


def _add_basics(archive: tarfile.TarFile) -> None:
    for folder, mode in (("etc", 0o755), ("root", 0o700), ("tmp", 0o1777), ("usr", 0o755), ("usr/bin", 0o755)):
        entry = tarfile.TarInfo(folder)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        archive.addfile(entry)
    _add_link(archive, "bin", "usr/bin")
    texts = {
        "etc/passwd": "root:x:0:0:root:/root:/usr/bin/python3\nnobody:x:65534:65534:nobody:/:/usr/bin/python3\n",
        "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    }
    for path, text in texts.items():
        _add(archive, path, text.encode(), None)


def _add(archive: tarfile.TarFile, path: str, content: bytes, source: Path | None) -> None:
    """Times stay, because compiled modules name the time of their source."""
    entry = tarfile.TarInfo(path)
    if source is not None:
        info = source.stat()
        entry.mtime, entry.mode = int(info.st_mtime), 0o755 if info.st_mode & 0o100 else 0o644
        if elf.is_elf(content):
            content = elf.without_debug(content)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _add_link(archive: tarfile.TarFile, path: str, target: str) -> None:
    entry = tarfile.TarInfo(path)
    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
    archive.addfile(entry)
