"""Paths inside volumes and on hosts."""

from __future__ import annotations

from kube_actors.api.validation.causes import Causes


def no_backsteps(causes: Causes, field: str, path: str) -> None:
    """No `..` element."""
    if ".." in path.replace("\\", "/").split("/"):
        causes.invalid(field, path, "must not contain '..'")


def descending_path(causes: Causes, field: str, path: str) -> None:
    """A relative path that never leaves its root."""
    if path.startswith("/"):
        causes.invalid(field, path, "must be a relative path")
    no_backsteps(causes, field, path)


def unreserved_path(causes: Causes, field: str, path: str) -> None:
    """A descending path that does not start as the names of the atomic writer do."""
    descending_path(causes, field, path)
    if path.startswith("..") and not path.startswith("../"):
        causes.invalid(field, path, "must not start with '..'")
