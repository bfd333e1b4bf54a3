"""The quotas of each namespace, charged before what they count is written.

    requests of one namespace wait together -> one takes all that wait, checks each against the quotas as the ones
    before it left them -> one compared write for every quota that changed -> all answers

A quota that somebody else changed meanwhile is read anew, and what it counts is checked again: the sum of what is
let through never exceeds it, however many requests and servers there are. A charge whose write fails afterwards
stays until the quota controller counts again, as in Kubernetes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from kube_actors.api import Obj, encoding, errors
from kube_actors.api.meta import name_of
from kube_actors.api.quota import Usage
from kube_actors.api.resources import builtin
from kube_actors.apiserver.admission.quota_evaluation import Charge, Refused, evaluate
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.cache.entry import Entry
from kube_actors.apiserver.storage import Storage
from kube_actors.store.errors import RevisionConflict

QUOTAS = builtin("v1", "resourcequotas")
# How often a batch is checked again because quotas changed under it.
ATTEMPTS = 10


@dataclass(slots=True)
class _Waiting:
    charge: Charge
    dry_run: bool
    done: bool = False
    refusal: str = ""


@dataclass(slots=True)
class _Namespace:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Waiting] = field(default_factory=list)


class QuotaLedger:
    """One for the server."""

    def __init__(self, cache: Cache, storage: Storage) -> None:
        self._cache = cache
        self._storage = storage
        self._namespaces: dict[str, _Namespace] = {}

    def counts(self, namespace: str) -> bool:
        """Whether the namespace has a quota at all."""
        low, high = self._cache.bucket(QUOTAS).keys(namespace)
        return low != high

    async def charge(self, namespace: str, charge: Charge, *, dry_run: bool) -> None:
        """Charge the namespace's quotas; raises Refused, with nothing charged by the quota that refuses."""
        mine = _Waiting(charge, dry_run)
        book = self._namespaces.setdefault(namespace, _Namespace())
        book.waiting.append(mine)
        try:
            async with book.lock:
                if not mine.done:
                    batch, book.waiting = book.waiting, []
                    # One whose leader was cancelled is in no list any more.
                    await self._settle(namespace, batch if mine in batch else [mine, *batch])
        finally:
            if mine in book.waiting:
                book.waiting.remove(mine)
            if not book.waiting and not book.lock.locked():
                self._namespaces.pop(namespace, None)
        if mine.refusal:
            raise Refused(mine.refusal)

    async def _settle(self, namespace: str, batch: Sequence[_Waiting]) -> None:
        quotas = self._latest(namespace)
        for _ in range(ATTEMPTS):
            changed = _check(quotas, batch)
            quotas = [conflict for quota in changed if (conflict := await self._write(quota)) is not None]
            if not quotas:
                break
        else:
            name = name_of(quotas[0])
            raise errors.conflict(QUOTAS.plural, "", name, errors.MODIFIED)
        for one in batch:
            one.done = True

    def _latest(self, namespace: str) -> list[Obj]:
        bucket = self._cache.bucket(QUOTAS)
        low, high = bucket.keys(namespace)
        keys = [entry.key for entry in bucket.entries(low, high)]
        return [entry.decode() for key in keys if (entry := self._cache.latest(QUOTAS, key)) is not None]

    async def _write(self, quota: Obj) -> Obj | None:
        """Write a quota; answers its present state where somebody else was faster, None too where it is gone."""
        namespace, name = quota["metadata"]["namespace"], name_of(quota)
        value, expected = encoding.encode(quota), int(quota["metadata"]["resourceVersion"])
        store_key = QUOTAS.store_key(namespace, name).encode()
        try:
            revision = await self._storage.put(store_key, value, expected_revision=expected)
        except RevisionConflict as conflict:
            found = conflict.current
            return None if found is None else encoding.decode(found.value, found.mod_revision)
        entry = Entry.of_stored(f"{namespace}/{name}", revision, value)
        entry.index(quota, self._cache.bucket(QUOTAS).read_fields)
        self._cache.note_write(QUOTAS, entry)
        return None


def _check(quotas: Sequence[Obj], batch: Sequence[_Waiting]) -> list[Obj]:
    """The quotas that the batch changes, with what those of it use that are let through; refusals are noted."""
    state = {name_of(quota): quota for quota in quotas}
    changed: set[str] = set()
    for one in batch:
        if one.refusal:
            continue
        try:
            used = evaluate(list(state.values()), one.charge)
        except Refused as refused:
            one.refusal = str(refused)
            continue
        if not one.dry_run:
            state |= {name: _with_used(state[name], amounts) for name, amounts in used.items()}
            changed |= used.keys()
    return [state[name] for name in sorted(changed)]


def _with_used(quota: Obj, used: Usage) -> Obj:
    return {**quota, "status": {**quota["status"], "used": used}}
