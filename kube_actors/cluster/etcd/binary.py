"""The etcd program: where it is, and whether it is one that we can use."""

from __future__ import annotations

import re
import shutil
import subprocess

from kube_actors.api.errors import ConfigError

# Learners came with 3.4; a 4.x nobody has seen yet.
OLDEST, TOO_NEW = (3, 4), (4, 0)
VERSION = re.compile(r"etcd Version: (\d+)\.(\d+)\S*")
SECONDS = 10.0


def find(wanted: str) -> str:
    """The absolute path of the program. `wanted` is a name on PATH or a path. Raises ConfigError."""
    found = shutil.which(wanted)
    if found is None:
        where = f"no program at {wanted}" if "/" in wanted else f"{wanted} is not on PATH"
        raise ConfigError(
            f"store.binary: {where}; install etcd 3.4 or later (Debian: etcd-server) or give its path in store.binary"
        )
    require_version(found)
    return found


def require_version(path: str) -> str:
    """The version as etcd says it. Raises ConfigError where it is none that works."""
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"store.binary: cannot run {path}: {_reason(error)}") from error
    found = VERSION.search(answer.stdout)
    if found is None:
        raise ConfigError(f"store.binary: {path} is no etcd: 'etcd --version' says something else")
    version = (int(found[1]), int(found[2]))
    if not OLDEST <= version < TOO_NEW:
        raise ConfigError(f"store.binary: {path} is etcd {found[1]}.{found[2]}; kube-actors needs >=3.4,<4")
    return found[0].rpartition(" ")[2]


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else f"no answer within {SECONDS:.0f} s"
