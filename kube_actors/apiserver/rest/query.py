"""Query parameters as the options of the pipeline. Kubernetes: ListOptions, GetOptions, DeleteOptions of meta/v1."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from kube_actors.api import Obj, errors
from kube_actors.apiserver import decoding
from kube_actors.apiserver.logs import LogOptions
from kube_actors.apiserver.request import DeleteOptions, ListOptions, WriteOptions

Query = Mapping[str, str]
NO_QUERY: Query = {}
_NO_WRITE_OPTIONS = WriteOptions()


def parse(text: str) -> Query:
    """The parameters; of one given twice the first counts, as Go's Get has it, but for dryRun see `write`."""
    if not text:
        return NO_QUERY
    found: dict[str, str] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        found.setdefault(key, value)
    return found


def all_of(text: str, name: str) -> tuple[str, ...]:
    """Every value of a parameter that may come several times, in order."""
    return tuple(value for key, value in parse_qsl(text, keep_blank_values=True) if key == name)


def listing(query: Query) -> ListOptions:
    return ListOptions(
        labels=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
        limit=max(0, _integer(query, "limit") or 0),
        continue_token=query.get("continue", ""),
        resource_version=query.get("resourceVersion", ""),
        resource_version_match=query.get("resourceVersionMatch", ""),
        allow_bookmarks=is_true(query, "allowWatchBookmarks"),
        send_initial_events=is_true(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
        timeout_seconds=max(0, _integer(query, "timeoutSeconds") or 0),
    )


def write(query: Query, kind: str) -> WriteOptions:
    """Options of a write; `kind` is CreateOptions, UpdateOptions or PatchOptions. Raises Invalid."""
    if not query:
        return _NO_WRITE_OPTIONS
    causes = decoding.check_dry_run([query["dryRun"]] if query.get("dryRun") else [])
    validation = query.get("fieldValidation", "")
    if validation not in ("", decoding.STRICT, decoding.WARN, decoding.IGNORE):
        text = f'Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        causes.append(errors.Cause("FieldValueNotSupported", text, "fieldValidation"))
    manager = query.get("fieldManager", "")
    causes += decoding.check_field_manager(manager)
    if causes:
        raise errors.invalid(kind, "meta.k8s.io", "", causes)
    force = is_true(query, "force") if "force" in query else None
    return WriteOptions(bool(query.get("dryRun")), manager, validation, force)


def deletion(query: Query, body: bytes) -> DeleteOptions:
    """The DeleteOptions of the body, or where there is none those of the query."""
    if body:
        return decoding.delete_options(body)
    raw: Obj = {}
    grace = _integer(query, "gracePeriodSeconds")
    if grace is not None:
        raw["gracePeriodSeconds"] = grace
    for key in ("propagationPolicy", "dryRun"):
        if query.get(key):
            raw[key] = query[key]
    if "orphanDependents" in query:
        raw["orphanDependents"] = is_true(query, "orphanDependents")
    return decoding.delete_options_of(raw)


def logs(query: Query) -> LogOptions:
    return LogOptions(
        container=query.get("container", ""),
        follow=is_true(query, "follow"),
        previous=is_true(query, "previous"),
        timestamps=is_true(query, "timestamps"),
        tail_lines=_integer(query, "tailLines"),
        limit_bytes=_integer(query, "limitBytes"),
        since_seconds=_integer(query, "sinceSeconds"),
        since_time=query.get("sinceTime", ""),
    )


def is_true(query: Query, name: str) -> bool:
    """Kubernetes' conversion of a query's bool: present and not 0 or false."""
    value = query.get(name)
    return value is not None and value.lower() not in ("0", "false")


def _integer(query: Query, name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
