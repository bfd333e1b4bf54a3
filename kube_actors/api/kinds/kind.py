"""The shape of a kind's rules. Every field has the value that suits most kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.api.validation.rules import Change, Rules


@dataclass(frozen=True, slots=True)
class RestRules:
    """How a kind answers verbs, where that is no code."""

    # DELETE answers with the object that is gone; others answer with a Status.
    answers_deleted_object: bool = False
    # PUT to a name that does not exist creates it.
    create_on_update: bool = False
    # PUT without resourceVersion replaces whatever is there.
    unconditional_update: bool = True
    # What a deletion without propagationPolicy does with dependents.
    default_propagation: str = "Background"


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes an object, and when (RFC 3339, in whole seconds)."""

    now: str
    name: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """A subresource through which a part of the object may be written, beside `status`."""

    prepare: Callable[[Obj, Obj], None]
    validate: Change


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. Functions that prepare change the new object in place and leave the old one alone."""

    rules: Rules = field(default_factory=Rules)
    rest: RestRules = field(default_factory=RestRules)
    # Fills in what a client left out.
    defaults: Callable[[Obj], None] | None = None
    # The parts of an object whose change grows metadata.generation; None where clients own the generation.
    counted: tuple[str, ...] | None = None
    prepare_create: Callable[[Obj], None] | None = None
    prepare_update: Callable[[Obj, Obj], None] | None = None
    # A status given on create stays.
    keeps_status: bool = False
    # A write through the status subresource may change labels, annotations, finalizers and owners, too.
    status_takes_metadata: bool = True
    # For a write through the status subresource, after everything but the status was taken from the old object.
    prepare_status: Callable[[Obj, Obj], None] | None = None
    # Puts in what depends on the writer or the clock, before everything else; the second object is None on create.
    stamp: Callable[[Obj, Obj | None, Writer], None] | None = None
    views: Mapping[str, View] = field(default_factory=dict)
    # Why the object of this name may never be deleted; empty where it may.
    undeletable: Callable[[str], str] | None = None
