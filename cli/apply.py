"""kactl apply: kubectl's client-side apply, and with --server-side the server's.

The annotation `last-applied-configuration` keeps what was applied; the next apply makes a three-way patch
of that, the file and the object as it is. So fields that others set stay, and those taken out of the file go.
The server's own apply knows from metadata.managedFields what was applied; it refuses to change what others own.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from typing import Any

from kube_actors.api import Obj, patch, schema
from kube_actors.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from kube_actors.api.resources import Resource
from kube_actors.client.client import KubeClient
from kube_actors.client.types import APPLY_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from kube_actors.cluster import loop

from . import documents, scope, session
from .failure import Failure, line_of
from .manifests import Manifest, load
from .names import Names, display, resource_display

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
# The name under which kubectl's client-side apply owns fields, so that both may apply one object.
MANAGER = "kubectl-client-side-apply"
SERVER_SIDE_MANAGER = "kubectl"
VALIDATION = {"strict": "Strict", "true": "Strict", "warn": "Warn", "ignore": "Ignore", "false": "Ignore"}
# Somebody else may write between our read and our patch.
ATTEMPTS = 5


def run(arguments: argparse.Namespace) -> int:
    return loop.run(apply(arguments))


async def apply(arguments: argparse.Namespace) -> int:
    """Apply all objects; those that fail do not keep the others from being applied."""
    if arguments.validate not in VALIDATION:
        raise Failure(f'error: invalid - validate option "{arguments.validate}"; must be one of: strict, warn, ignore')
    if arguments.server_side and arguments.dry_run == "client":
        raise Failure(
            "error: --dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)"
        )
    if arguments.force_conflicts and not arguments.server_side:
        raise Failure("error: --force-conflicts only works with --server-side")
    manifests = load(arguments.filename, arguments.recursive)
    failures = 0
    results: list[Obj] = []
    async with session.client(arguments) as client:
        names = Names(await client.discover())
        for manifest in manifests:
            try:
                results.append(await _one(arguments, client, names, manifest))
            except Failure as failure:
                print(failure.line, file=sys.stderr)
                failures += 1
            except ApiError as error:
                print(line_of(error, f'when applying "{manifest.source}"'), file=sys.stderr)
                failures += 1
    _print_results(arguments.output, results)
    return 1 if failures else 0


async def _one(arguments: argparse.Namespace, client: KubeClient, names: Names, manifest: Manifest) -> Obj:
    resource = names.of_object(manifest.obj, manifest.source)
    namespace = scope.manifest_namespace(arguments, resource, manifest)
    if arguments.server_side:
        return await _by_server(arguments, client, resource, _placed(manifest.obj, namespace), namespace)
    wanted = with_last_applied(_placed(manifest.obj, namespace))
    options: dict[str, Any] = {
        "dry_run": arguments.dry_run == "server",
        "field_manager": arguments.field_manager or MANAGER,
        "field_validation": VALIDATION[arguments.validate],
    }
    for attempt in range(1, ATTEMPTS + 1):
        try:
            result, verb = await _make_so(client, resource, wanted, namespace, arguments.dry_run == "client", options)
            break
        except (Conflict, AlreadyExists):
            if attempt == ATTEMPTS:
                raise
    _tell(arguments, display(resource, wanted["metadata"]["name"]), verb)
    return result


async def _by_server(
    arguments: argparse.Namespace, client: KubeClient, resource: Resource, wanted: Obj, namespace: str
) -> Obj:
    name = wanted["metadata"]["name"]
    result = await client.patch(
        resource,
        name,
        wanted,
        namespace,
        type=APPLY_PATCH,
        force=arguments.force_conflicts,
        dry_run=arguments.dry_run == "server",
        field_manager=arguments.field_manager or SERVER_SIDE_MANAGER,
        field_validation=VALIDATION[arguments.validate],
    )
    _tell(arguments, display(resource, name), "serverside-applied")
    return result


def _tell(arguments: argparse.Namespace, shown: str, verb: str) -> None:
    if not arguments.output:
        note = {"client": " (dry run)", "server": " (server dry run)"}.get(arguments.dry_run, "")
        print(f"{shown} {verb}{note}", flush=True)
    elif arguments.output == "name":
        print(shown)


async def _make_so(
    client: KubeClient, resource: Resource, wanted: Obj, namespace: str, only_plan: bool, options: dict[str, Any]
) -> tuple[Obj, str]:
    """The object as it is then, and what happened to it."""
    name = wanted["metadata"]["name"]
    try:
        current = await client.get(resource, name, namespace)
    except NotFound:
        if only_plan:
            return wanted, "created"
        return await client.create(resource, wanted, namespace=namespace, **options), "created"
    if ANNOTATION not in (current["metadata"].get("annotations") or {}):
        print(
            f"Warning: resource {resource_display(resource)}/{name} is missing the {ANNOTATION} annotation which is "
            "required by kactl apply; it will be patched automatically.",
            file=sys.stderr,
        )
    change, kind = plan_patch(resource, wanted, current)
    if not change:
        return current, "unchanged"
    if only_plan:
        return current, "configured"
    result = await client.patch(resource, name, change, namespace, type=kind, **options)
    return result, "configured"


def plan_patch(resource: Resource, wanted: Obj, current: Obj) -> tuple[Obj, str]:
    """The patch from the object as it is to the file, and its type; empty where nothing is to change."""
    original = last_applied(current)
    if resource.custom or not _has_schema(resource):
        return patch.three_way_merge(original, wanted, current), MERGE_PATCH
    return patch.three_way(original, wanted, current, schema.of(resource)), STRATEGIC_MERGE_PATCH


def with_last_applied(obj: Obj) -> Obj:
    """The object with the annotation that holds it, as kubectl writes it."""
    bare = copy.deepcopy(obj)
    annotations = bare["metadata"].get("annotations") or {}
    annotations.pop(ANNOTATION, None)
    # kubectl writes the annotations even where there are none.
    bare["metadata"]["annotations"] = annotations
    text = json.dumps(bare, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    return {**bare, "metadata": {**bare["metadata"], "annotations": {**annotations, ANNOTATION: text}}}


def last_applied(obj: Obj) -> Obj | None:
    """What was applied last, None where nothing was or the annotation is damaged."""
    text = (obj["metadata"].get("annotations") or {}).get(ANNOTATION)
    if not text:
        return None
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _placed(obj: Obj, namespace: str) -> Obj:
    """The object in its namespace, for resources that have one."""
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}} if namespace else obj


def _has_schema(resource: Resource) -> bool:
    try:
        schema.of(resource)
    except KeyError:
        return False
    return True


def _print_results(output: str, results: list[Obj]) -> None:
    if output not in ("json", "yaml") or not results:
        return
    shown = [documents.shown(result) for result in results]
    content = shown[0] if len(shown) == 1 else documents.as_list(shown)
    print(documents.to_json(content) if output == "json" else documents.to_yaml(content))
