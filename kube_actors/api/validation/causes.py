"""A list of causes that writes itself in the words of apimachinery's field.Error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kube_actors.api.errors import Cause
from kube_actors.api.gotext import go_float, go_json, go_quote


def shown(value: Any) -> str:
    """A value as a message shows it: strings quoted, scalars plain, the rest as JSON."""
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return str(value)
    return go_float(value) if isinstance(value, float) else go_json(value)


class Raw(str):
    """A value that is shown as it is: Go's own notation of a struct."""


class Causes(list[Cause]):
    """Causes in the order in which they were found."""

    def required(self, field: str, detail: str = "") -> None:
        self._add("FieldValueRequired", "Required value", field, detail)

    def forbidden(self, field: str, detail: str = "") -> None:
        self._add("FieldValueForbidden", "Forbidden", field, detail)

    def invalid(self, field: str, value: Any, detail: str) -> None:
        text = value if isinstance(value, Raw) else shown(value)
        self._add("FieldValueInvalid", f"Invalid value: {text}", field, detail)

    def invalid_as_a_whole(self, field: str, detail: str) -> None:
        """Refuse a part of the object without showing it."""
        self._add("FieldValueInvalid", "Invalid value", field, detail)

    def each_invalid(self, field: str, value: Any, details: Iterable[str]) -> None:
        """One cause a detail: what the checks of names answer."""
        for detail in details:
            self.invalid(field, value, detail)

    def duplicate(self, field: str, value: Any, detail: str = "") -> None:
        text = value if isinstance(value, Raw) else shown(value)
        self._add("FieldValueDuplicate", f"Duplicate value: {text}", field, detail)

    def not_found(self, field: str, value: Any) -> None:
        self._add("FieldValueNotFound", f"Not found: {shown(value)}", field, "")

    def unsupported(self, field: str, value: Any, supported: Iterable[str]) -> None:
        text = value if isinstance(value, Raw) else shown(value)
        listed = ", ".join(go_quote(one) for one in supported)
        detail = f"supported values: {listed}" if listed else ""
        self._add("FieldValueNotSupported", f"Unsupported value: {text}", field, detail)

    def too_long(self, field: str, limit: int) -> None:
        self._add("FieldValueTooLong", "Too long", field, f"may not be more than {limit} bytes")

    def too_many(self, field: str, actual: int, limit: int) -> None:
        noun = "item" if limit == 1 else "items"
        self._add("FieldValueTooMany", f"Too many: {actual}", field, f"must have at most {limit} {noun}")

    def not_negative(self, field: str, value: int) -> None:
        """Refuse a number below zero."""
        if value < 0:
            self.invalid(field, value, "must be greater than or equal to 0")

    def one_of(self, field: str, value: Any, supported: tuple[str, ...]) -> None:
        """Refuse what is not among `supported`, and what is missing."""
        if not value:
            self.required(field)
        elif value not in supported:
            self.unsupported(field, value, supported)

    def immutable(self, field: str, new: Any, old: Any) -> None:
        """Refuse any change."""
        if new != old:
            self.invalid(field, new, "field is immutable")

    def _add(self, reason: str, text: str, field: str, detail: str) -> None:
        self.append(Cause(reason, f"{text}: {detail}" if detail else text, field))
