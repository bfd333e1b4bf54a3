"""Paths inside volumes, on hosts and behind domain names."""

from __future__ import annotations

import re

from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes

_HTTP_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")


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


def domain_prefixed_path(causes: Causes, field: str, value: str) -> None:
    """`example.com/path`, as the name of an ingress controller (IsDomainPrefixedPath)."""
    if not value:
        causes.required(field)
        return
    host, _, path = value.partition("/")
    if not host or not path:
        causes.invalid(field, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    causes.each_invalid(field, host, names.dns_subdomain(host))
    if not _HTTP_PATH.fullmatch(path):
        causes.invalid(field, path, names.regex_error("Invalid path", _HTTP_PATH.pattern))
