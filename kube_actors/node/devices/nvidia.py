"""NVIDIA GPUs, as the program nvidia-smi tells them; it comes with the driver, so where it is not, there are none."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

RESOURCE = "nvidia.com/gpu"
PROGRAM = "nvidia-smi"
QUERY = ("--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader")
# The driver may take seconds to wake up, and hangs where a GPU has failed.
SECONDS = 20.0
# What gpu-feature-discovery calls what we know; of the GPU with the lowest index.
LABELS = ("nvidia.com/gpu.present", "nvidia.com/gpu.count", "nvidia.com/gpu.product", "nvidia.com/gpu.memory")
_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Gpu:
    """`memory` in MiB, 0 where it is not told."""

    index: int
    uuid: str
    product: str
    memory: int


def parse(text: str) -> list[Gpu]:
    """`0, GPU-1f2e..., Tesla T4, 15360 MiB` a line, by index. A line that is none of those is left out."""
    found = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 4 and fields[0].isdigit() and fields[1].startswith("GPU-"):
            amount = fields[3].partition(" ")[0]
            found.append(Gpu(int(fields[0]), fields[1], fields[2], int(amount) if amount.isdigit() else 0))
    return sorted(found, key=lambda gpu: gpu.index)


def labels(gpus: Sequence[Gpu]) -> dict[str, str]:
    """As gpu-feature-discovery labels a node."""
    if not gpus:
        return {}
    product = _NOT_IN_LABELS.sub("-", gpus[0].product)[:63].strip("-._")
    return dict(zip(LABELS, ("true", str(len(gpus)), product, str(gpus[0].memory)), strict=True))


async def read() -> list[Gpu]:
    """The GPUs that are there now; none where the program is missing, fails or hangs."""
    program = shutil.which(PROGRAM)
    if program is None:
        return []
    try:
        process = await asyncio.create_subprocess_exec(
            program, *QUERY, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    except OSError as error:
        log.warning("nvidia-smi cannot be run", error=error.strerror)
        return []
    try:
        async with asyncio.timeout(SECONDS):
            out = (await process.communicate())[0].decode(errors="replace")
    except TimeoutError:
        log.warning("nvidia-smi does not answer", seconds=SECONDS)
        return []
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        log.warning("nvidia-smi finds no GPUs", code=process.returncode, said=" ".join(out.split())[:200])
        return []
    return parse(out)
