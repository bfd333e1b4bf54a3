"""Causes of a custom object's invalidity, in the words of kube-openapi's validators.

Several of its errors name no field; Go prints their path as `<nil>`.
"""

from __future__ import annotations

from typing import Any

from kube_actors.api.errors import Cause
from kube_actors.api.validation.causes import Causes

NO_FIELD = "<nil>"


class Findings(Causes):
    """Causes, each once, as kube-openapi's results hold them."""

    def merge(self, others: list[Cause]) -> None:
        for one in others:
            if one not in self:
                self.append(one)

    def wrong_type(self, path: str, wanted: str, found: Any) -> None:
        """`spec.s in body must be of type string: "integer"`."""
        where = f"{path} in body" if path else " in body"
        self._add(
            "FieldValueTypeInvalid",
            f'Invalid value: "{found}"',
            path or NO_FIELD,
            f'{where} must be of type {wanted}: "{found}"',
        )

    def in_body(self, path: str, value: Any, text: str) -> None:
        """`spec.s in body should be ...`."""
        self.invalid(path or NO_FIELD, value, f"{path} in body {text}")

    def general(self, text: str) -> None:
        """An error that belongs to no field."""
        self.invalid(NO_FIELD, "", text)

    def too_many_items(self, path: str, actual: int, limit: int) -> None:
        self._add("FieldValueTooMany", f"Too many: {actual}", path, f"must have at most {limit} items")

    def too_long_text(self, path: str, limit: int) -> None:
        self._add("FieldValueTooLong", "Too long", path, f"may not be more than {limit} bytes")
