"""Which objects of a resource a list or watch is about: namespace, labels, fields."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.api.selectors import EQUALS, FieldSelector, Selector
from kube_actors.apiserver.cache.entry import Entry, FieldReader

# A watcher that asks for one value of a field is found by it; see `bucket.py`.
Trigger = tuple[str, str]
NAMESPACE = "metadata.namespace"
NAME = "metadata.name"


@dataclass(frozen=True, slots=True)
class Selection:
    """`labels` and `fields` are None where they select everything."""

    read_fields: FieldReader
    namespace: str = ""
    labels: Selector | None = None
    fields: FieldSelector | None = None

    @property
    def everything(self) -> bool:
        return not self.namespace and self.labels is None and self.fields is None

    @property
    def unfiltered(self) -> bool:
        """Whether all objects of the namespace are meant."""
        return self.labels is None and self.fields is None

    def matches(self, entry: Entry) -> bool:
        if self.namespace and not entry.key.startswith(self.namespace + "/"):
            return False
        if self.fields is not None and not self.fields.matches(entry.fields(self.read_fields)):
            return False
        return self.labels is None or self.labels.matches(entry.labels(self.read_fields))

    def trigger(self) -> Trigger | None:
        """The field value that a matching object must have, the rarest first: a name, another field, a namespace."""
        requirements = self.fields.requirements if self.fields is not None else ()
        wanted = {wish.field: wish.value for wish in requirements if wish.operator == EQUALS}
        for field in (NAME, *wanted):
            if field in wanted and field != NAMESPACE:
                return field, wanted[field]
        namespace = self.namespace or wanted.get(NAMESPACE, "")
        return (NAMESPACE, namespace) if namespace else None
