"""/healthz, /livez and /readyz: `ok`, or what fails; with ?verbose each check by name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kube_actors.api.errors import KubeActorsError
from kube_actors.apiserver.storage import Storage

PATHS = ("/healthz", "/livez", "/readyz")
PATIENCE = 2.0
Check = Callable[[], Awaitable[None]]


class Health:
    """A check raises what is wrong. Names are kube-apiserver's."""

    def __init__(self, storage: Storage, is_ready: Callable[[], bool]) -> None:
        self._storage = storage
        self._is_ready = is_ready
        live: dict[str, Check] = {"ping": _fine, "log": _fine, "etcd": self._store}
        self._checks = {
            "/healthz": live,
            "/livez": live,
            "/readyz": {**live, "etcd-readiness": self._store, "informer-sync": self._ready, "shutdown": self._ready},
        }

    def knows(self, path: str) -> bool:
        root, name = _split(path)
        return root in self._checks and (not name or name in self._checks[root])

    async def answer(self, path: str, *, verbose: bool, exclude: str = "") -> tuple[int, str]:
        """(code, text)."""
        root, name = _split(path)
        checks = self._checks[root]
        lines, failed = [], False
        for one, check in checks.items():
            if (name and one != name) or one == exclude:
                continue
            try:
                async with asyncio.timeout(PATIENCE):
                    await check()
                lines.append(f"[+]{one} ok")
            except (KubeActorsError, TimeoutError):
                failed = True
                lines.append(f"[-]{one} failed: reason withheld")
        if failed:
            return 500, "\n".join([*lines, f"{root[1:]} check failed"]) + "\n"
        return 200, "\n".join([*lines, f"{root[1:]} check passed"]) + "\n" if verbose and not name else "ok"

    async def _store(self) -> None:
        await self._storage.revision()

    async def _ready(self) -> None:
        if not self._is_ready():
            raise KubeActorsError("the server starts or stops")


async def _fine() -> None:
    """The server answers, so it lives."""


def _split(path: str) -> tuple[str, str]:
    """(/livez, etcd) of /livez/etcd."""
    root, _, name = path.strip("/").partition("/")
    return f"/{root}", name
