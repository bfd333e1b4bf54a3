"""/healthz, /livez and /readyz: `ok`, or what fails; with ?verbose each check by name, and each check alone by path.

Names and words are kube-apiserver's (k8s.io/apiserver's server/healthz).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator

from kube_actors.api.errors import KubeActorsError
from kube_actors.apiserver import bootstrap
from kube_actors.apiserver.storage import Storage

PATIENCE = 2.0
Check = Callable[[], Awaitable[None]]


class Health:
    """A check raises what is wrong."""

    def __init__(self, storage: Storage, *, has_started: Callable[[], bool], is_ready: Callable[[], bool]) -> None:
        """`has_started`: the cluster's first objects are there, once and for all. `is_ready` ends with the shutdown."""
        self._storage = storage
        self._has_started = has_started
        self._is_ready = is_ready
        base: dict[str, Check] = {"ping": _fine, "log": _fine, "etcd": self._store}
        hooks: dict[str, Check] = dict.fromkeys((f"poststarthook/{name}" for name in bootstrap.HOOKS), self._started)
        before: dict[str, Check] = {"etcd-readiness": self._store, "informer-sync": self._started}
        self._checks: dict[str, dict[str, Check]] = {
            "/healthz": {**base, **hooks},
            "/livez": {**base, **hooks},
            "/readyz": {**base, **before, **hooks, "shutdown": self._ready},
        }
        self._results: dict[tuple[str, str], float] = {}

    def knows(self, path: str) -> bool:
        root, name = _split(path)
        return root in self._checks and (not name or name in self._checks[root])

    def paths(self) -> Iterator[str]:
        """All that `knows` says yes to."""
        for root, checks in self._checks.items():
            yield root
            yield from (f"{root}/{name}" for name in checks)

    def results(self) -> Iterable[tuple[tuple[str, str], float]]:
        """The last result of each check that was made: its name and the kind of question, 1 for success."""
        return self._results.items()

    async def answer(self, path: str, *, verbose: bool = False, exclude: Iterable[str] = ()) -> tuple[int, str]:
        """(code, text). `exclude`: checks that are not to be made."""
        root, name = _split(path)
        if name:
            fault = await self._fault(root, name)
            return (500, f"internal server error: {fault}\n") if fault else (200, "ok")
        left_out, checks = set(exclude), self._checks[root]
        lines, failed = [], False
        for one in checks:
            if one in left_out:
                lines.append(f"[+]{one} excluded: ok")
            elif await self._fault(root, one):
                failed = True
                lines.append(f"[-]{one} failed: reason withheld")
            else:
                lines.append(f"[+]{one} ok")
        unknown = left_out - checks.keys()
        if unknown:
            shown = ",".join(f'"{one}"' for one in sorted(unknown))
            lines.append(f"warn: some health checks cannot be excluded: no matches for {shown}")
        if failed:
            return 500, "\n".join([*lines, f"{root[1:]} check failed"]) + "\n"
        return 200, "\n".join([*lines, f"{root[1:]} check passed"]) + "\n" if verbose else "ok"

    async def _fault(self, root: str, name: str) -> str:
        """What is wrong, empty where nothing is."""
        fault = ""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._checks[root][name]()
        except KubeActorsError as error:
            fault = str(error)
        except TimeoutError:
            fault = "it takes too long"
        self._results[name, root[1:]] = 0 if fault else 1
        return fault

    async def _store(self) -> None:
        await self._storage.revision()

    async def _started(self) -> None:
        if not self._has_started():
            raise KubeActorsError("not finished")

    async def _ready(self) -> None:
        if not self._is_ready():
            raise KubeActorsError("process is shutting down")


async def _fine() -> None:
    """The server answers, so it lives."""


def _split(path: str) -> tuple[str, str]:
    """(/livez, etcd) of /livez/etcd."""
    root, _, name = path.strip("/").partition("/")
    return f"/{root}", name
