"""What this node pulled, and with whose login: a file below its root_dir, for it must outlive the agent.

Two questions are answered by it. May the image be removed? Only what was not on the engine before we pulled it is
ours, and only by the names that came with our pulls. May a pod use an image that is here? As with kubelet's
imagePullCredentialsVerificationPolicy NeverVerifyPreloadedImages: what was pulled with a login is for pods that
have that login; what was pulled without one, or was here before, is for all.

A crash between a pull and its record leaves an image that is taken for somebody else's: it stays, which is safe.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from kube_actors.node.images.credentials import Login
from kube_actors.node.runtime.interface import Image

log = structlog.get_logger(__name__)

FILE = "pulled-images.json"


def repository_of(name: str) -> str:
    """reg:5000/team/web:1@sha256:... -> reg:5000/team/web"""
    name = name.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def image_ref(image: Image, name: str) -> str:
    """What a registry knows the image by under that name, else under another one, else its id."""
    repository = repository_of(name)
    same = (each for each in image.digests if repository_of(each) == repository)
    return next(same, None) or next(iter(image.digests), image.id)


@dataclass(slots=True)
class _Access:
    """Who may use an image under one repository's name."""

    everybody: bool = False
    logins: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Record:
    """`names`: the tags that came with our pulls; `new`: the image was not here before the first of them, at `at`."""

    new: bool
    at: float
    names: set[str] = field(default_factory=set)
    access: dict[str, _Access] = field(default_factory=dict)


class PulledImages:
    """`path` None: remembered only as long as the agent lives, for simulated nodes."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._records: dict[str, _Record] = _read(path) if path is not None else {}
        # How often something was pulled or has gone.
        self.changes = 0

    def pulled(self, name: str, image: Image, before: Iterable[Image], login: Login | None, now: float) -> None:
        """`name` was pulled and is `image`; `before` is what was on the engine just before. Raises OSError."""
        self.changes += 1
        old = next((each for each in before if each.id == image.id), None)
        record = self._records.setdefault(image.id, _Record(new=old is None, at=now))
        record.names |= set(image.names) - set(old.names if old is not None else ())
        access = record.access.setdefault(repository_of(name), _Access())
        if login is None:
            access.everybody = True
        else:
            access.logins.add(login.digest)
            access.secrets.add(login.secret)
        self._write()

    def may_use(self, name: str, image: Image, logins: Iterable[Login]) -> bool:
        """Whether a pod with these logins may have the image without asking the registry."""
        record = self._records.get(image.id)
        if record is None:
            return True
        access = record.access.get(repository_of(name))
        if access is None:
            # Pulled under other names only. Somebody with rights on the engine has given it this one, or it has none.
            given = {repository_of(tag) for tag in set(image.names) - record.names}
            return repository_of(name) in given or any(each.everybody for each in record.access.values())
        known = any(each.digest in access.logins or each.secret in access.secrets for each in logins)
        return access.everybody or known

    def pulled_at(self) -> dict[str, float]:
        """When each image came, by id."""
        return {id: record.at for id, record in self._records.items() if record.new}

    def is_ours(self, image: Image) -> bool:
        """Whether nobody but this node has brought the image or given it a name."""
        if image.is_copy:
            return True
        record = self._records.get(image.id)
        return record is not None and record.new and set(image.names) <= record.names

    def keep(self, present: Iterable[str]) -> None:
        """Forget what is not on the engine any more. `present` are ids."""
        present = set(present)
        gone = self._records.keys() - present
        for each in gone:
            del self._records[each]
        if gone:
            self.changes += 1
            self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        content = {
            id: {
                "new": record.new,
                "at": record.at,
                "names": sorted(record.names),
                "access": {
                    name: {
                        "everybody": each.everybody,
                        "logins": sorted(each.logins),
                        "secrets": sorted(each.secrets),
                    }
                    for name, each in record.access.items()
                },
            }
            for id, record in self._records.items()
        }
        partial = self._path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)


def _read(path: Path) -> dict[str, _Record]:
    """A file that cannot be read counts as empty: then no image is ours, and none is removed."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(id): _Record(
                new=bool(each["new"]),
                at=float(each["at"]),
                names={str(name) for name in each["names"]},
                access={
                    str(name): _Access(bool(one["everybody"]), set(one["logins"]), set(one["secrets"]))
                    for name, one in each["access"].items()
                },
            )
            for id, each in content.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("the record of pulled images cannot be read: no image counts as pulled", error=str(error))
        return {}
