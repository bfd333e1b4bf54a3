"""Who owns whom. Pure: events in, keys of objects to look at out.

owner (real) <--- dependent ---> owner (virtual: named by a reference, not seen yet)

observe(dependent)      virtual nodes for owners that were not seen -> look at those
observe(owner deleting) with foregroundDeletion -> look at it and its dependents; with orphan -> orphan
gone(owner)             -> look at its dependents; its own owners, where they wait for dependents
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from kube_actors.api import Obj
from kube_actors.api.meta import is_deleting, name_of, namespace_of, uid_of

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_ABSENT_LIMIT = 500


class Task(Enum):
    DELETE = "delete"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Identity:
    """Where an object is to be found, and which object it is."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    @property
    def coordinates(self) -> tuple[str, str, str]:
        """What an owner reference must agree on; versions of one group name the same object."""
        return self.api_version.rpartition("/")[0], self.kind, self.name


@dataclass(slots=True)
class Node:
    """One object. Virtual: some reference names it, and no event has shown it yet."""

    identity: Identity
    owners: list[Obj] = field(default_factory=list)
    dependents: dict[str, Node] = field(default_factory=dict)
    virtual: bool = False
    deleting: bool = False
    finalizers: frozenset[str] = frozenset()

    @property
    def deleting_dependents(self) -> bool:
        """Whether it waits, in a foreground deletion, for its dependents to go."""
        return self.deleting and FOREGROUND in self.finalizers

    def blocking_dependents(self) -> list[Node]:
        return [node for node in self.dependents.values() if _blocks(node, self.identity.uid)]


Work = list[tuple[Task, str]]


def identity_of(obj: Obj) -> Identity:
    return Identity(obj["apiVersion"], obj["kind"], namespace_of(obj), name_of(obj), uid_of(obj))


class Graph:
    """All objects that own or are owned, and those that might be."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        # Owners known to be gone: 500 pods of one deleted owner are not 500 questions. By all coordinates,
        # for a reference that names the right uid in the wrong place proves nothing about the right place.
        self._absent: OrderedDict[Identity, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def is_absent(self, owner: Identity) -> bool:
        """Whether exactly that was seen to go, or was looked for in vain."""
        return owner in self._absent

    def note_absent(self, owner: Identity) -> None:
        self._absent[owner] = None
        if len(self._absent) > _ABSENT_LIMIT:
            self._absent.popitem(last=False)

    def observe(self, obj: Obj) -> Work:
        """An event shows the object as it is now."""
        node = self._nodes.get(uid_of(obj))
        owners: list[Obj] = obj["metadata"].get("ownerReferences") or []
        work: Work = []
        if node is None:
            node = self._nodes[uid_of(obj)] = Node(identity_of(obj))
            work += self._attach(node, owners)
        else:
            if node.virtual:
                node.virtual = False
                node.identity = identity_of(obj)
                # References that named it wrongly have to be judged by what they name.
                work += [(Task.DELETE, each.identity.uid) for each in self._mismatched(node)]
            work += self._change_owners(node, owners)
        node.owners = owners
        return work + self._transition(node, obj)

    def gone(self, uid: str) -> Work:
        """The object does not exist (any more)."""
        node = self._nodes.pop(uid, None)
        if node is None:
            return []
        if node.dependents:
            self.note_absent(node.identity)
        work: Work = [(Task.DELETE, dependent) for dependent in node.dependents]
        for owner in self._owners(node.owners):
            owner.dependents.pop(uid, None)
            if owner.deleting_dependents:
                work.append((Task.DELETE, owner.identity.uid))
            self._drop_if_useless(owner)
        return work

    def not_found(self, uid: str, looked_for: Identity) -> Work:
        """A live read did not find the object: `looked_for` is where, without namespace for a cluster-scoped kind.

        A virtual node says what one reference says. Where another reference says otherwise, the node takes
        that for true next, so that a wrong reference cannot hide an owner that exists.
        """
        node = self._nodes.get(uid)
        if node is None or not node.virtual:
            return self.gone(uid)
        self.note_absent(looked_for)
        self.note_absent(node.identity)
        for dependent in node.dependents.values():
            for reference in dependent.owners:
                other = referred(reference, dependent.identity.namespace)
                if other.uid == uid and not self.is_absent(other):
                    node.identity = other
                    return [*((Task.DELETE, each) for each in node.dependents), (Task.DELETE, uid)]
        return self.gone(uid)

    def _attach(self, node: Node, references: Iterable[Obj]) -> Work:
        work: Work = []
        for reference in references:
            uid = str(reference.get("uid"))
            owner = self._nodes.get(uid)
            if owner is None:
                owner = self._nodes[uid] = Node(referred(reference, node.identity.namespace), virtual=True)
                # Look at it live: the object may be gone, or its event may be on the way.
                work.append((Task.DELETE, uid))
            elif not owner.virtual and not agrees(reference, owner.identity, node.identity.namespace):
                work.append((Task.DELETE, node.identity.uid))
            owner.dependents[node.identity.uid] = node
        return work

    def _change_owners(self, node: Node, references: list[Obj]) -> Work:
        before = {str(each.get("uid")): each for each in node.owners}
        after = {str(each.get("uid")): each for each in references}
        work = self._attach(node, (each for uid, each in after.items() if uid not in before))
        for uid, old in before.items():
            owner = self._nodes.get(uid)
            if owner is None:
                continue
            if uid not in after:
                owner.dependents.pop(node.identity.uid, None)
            unblocked = old.get("blockOwnerDeletion") and not after.get(uid, {}).get("blockOwnerDeletion")
            if unblocked and owner.deleting_dependents:
                work.append((Task.DELETE, uid))
            self._drop_if_useless(owner)
        return work

    def _transition(self, node: Node, obj: Obj) -> Work:
        """Whether a deletion of the owner has just begun that has to care for its dependents."""
        finalizers = frozenset(obj["metadata"].get("finalizers") or ())
        waited = node.deleting_dependents
        orphaned = node.deleting and ORPHAN in node.finalizers
        node.deleting, node.finalizers = is_deleting(obj), finalizers
        uid = node.identity.uid
        if node.deleting and ORPHAN in finalizers and not orphaned:
            return [(Task.ORPHAN, uid)]
        if node.deleting_dependents and not waited:
            return [*((Task.DELETE, dependent) for dependent in node.dependents), (Task.DELETE, uid)]
        return []

    def _mismatched(self, owner: Node) -> Iterator[Node]:
        for dependent in owner.dependents.values():
            for reference in dependent.owners:
                if reference.get("uid") == owner.identity.uid and not agrees(
                    reference, owner.identity, dependent.identity.namespace
                ):
                    yield dependent

    def _owners(self, references: Iterable[Obj]) -> Iterator[Node]:
        for reference in references:
            if (owner := self._nodes.get(str(reference.get("uid")))) is not None:
                yield owner

    def _drop_if_useless(self, owner: Node) -> None:
        if owner.virtual and not owner.dependents:
            self._nodes.pop(owner.identity.uid, None)


def referred(reference: Obj, namespace: str) -> Identity:
    """What an owner reference names, seen from an object in `namespace`."""
    return Identity(
        str(reference.get("apiVersion")),
        str(reference.get("kind")),
        namespace,
        str(reference.get("name")),
        str(reference.get("uid")),
    )


def agrees(reference: Obj, owner: Identity, namespace: str) -> bool:
    """Whether a reference from `namespace` names `owner` rightly: an owner is cluster-scoped or lives there too."""
    return referred(reference, namespace).coordinates == owner.coordinates and owner.namespace in ("", namespace)


def _blocks(dependent: Node, owner: str) -> bool:
    return any(each.get("uid") == owner and each.get("blockOwnerDeletion") for each in dependent.owners)
