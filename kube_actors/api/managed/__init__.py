"""Who owns which field of an object: metadata.managedFields and server-side apply, as pure functions.

    shapes      what a schema says about ownership: which lists and maps are one value, which items have keys
    fields      sets of fields in the form in which managedFields holds them, and their algebra
    compare     two states of an object -> the fields that were added, removed and changed
    typed       objects checked against a shape, as fields, merged, with fields taken out
    entries     metadata.managedFields <-> sets of fields by manager
    ownership   what a write does to the managers: `updated`, `applied`
    manager     the whole of it for one request: `track`, `apply`

An applied configuration is merged into the live object, what its manager applied before and no longer does is taken
out unless others own it, and what others own and it changes is a conflict. Every other write gives its manager what
it changed and takes that from all others.

Kubernetes: sigs.k8s.io/structured-merge-diff and k8s.io/apimachinery/pkg/util/managedfields. What is deliberately not
here: decoding, defaults and versions of an object, which the caller's `Types` knows, and writing anything.
"""

from kube_actors.api.managed.manager import apply, settle, track
from kube_actors.api.managed.ownership import Types, Writer

__all__ = ["Types", "Writer", "apply", "settle", "track"]
