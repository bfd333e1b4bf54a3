"""kactl get."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.errors import ApiError, NotFound
from kube_actors.api.resources import Resource
from kube_actors.client.client import KubeClient
from kube_actors.client.types import BOOKMARK
from kube_actors.cluster import loop

from . import documents, jsonpath, scope, session, table
from .failure import line_of, usage
from .names import Names, Target, display, resource_display

FORMATS = ("", "wide", "json", "yaml", "name")


@dataclass(frozen=True, slots=True)
class Output:
    """How to print: `format` is one of FORMATS or `jsonpath`, with its template."""

    format: str
    template: str = ""

    @property
    def as_table(self) -> bool:
        return self.format in ("", "wide")


def run(arguments: argparse.Namespace) -> int:
    return loop.run(get(arguments))


async def get(arguments: argparse.Namespace) -> int:
    output = parse_output(arguments.output)
    async with session.client(arguments) as client:
        names = Names(await client.discover())
        targets = _targets(arguments, names)
        if output.as_table:
            return await _Tables(
                arguments, client, output.format == "wide", len({t.resource for t in targets}) > 1
            ).show(targets)
        return await _documents(arguments, client, targets, output)


def parse_output(text: str) -> Output:
    """The value of -o. Raises Failure."""
    kind, _, template = text.partition("=")
    if kind == "jsonpath" and template:
        return Output("jsonpath", template)
    if text not in FORMATS:
        raise usage(
            f'unable to match a printer suitable for the output format "{text}", '
            "allowed formats are: json,jsonpath,name,wide,yaml"
        )
    return Output(text)


def _targets(arguments: argparse.Namespace, names: Names) -> list[Target]:
    if not arguments.filename:
        return names.targets(arguments.words)
    from .manifests import load

    found = [(names.of_object(each.obj, each.source), each) for each in load(arguments.filename)]
    spaces = {scope.manifest_namespace(arguments, resource, each) for resource, each in found} - {""}
    if len(spaces) == 1:
        arguments.namespace = spaces.pop()
    return [Target(resource, each.obj["metadata"]["name"]) for resource, each in found]


class _Tables:
    """Prints what the server prints; several resources are blocks with a blank line between."""

    def __init__(self, arguments: argparse.Namespace, client: KubeClient, wide: bool, several: bool) -> None:
        self._arguments = arguments
        self._client = client
        self._wide = wide
        self._several = several
        self._blocks = 0

    async def show(self, targets: list[Target]) -> int:
        code = 0
        resources = list(dict.fromkeys(target.resource for target in targets))
        for resource in resources:
            chosen = [target.name for target in targets if target.resource == resource and target.name]
            tables: list[Obj] = []
            version = ""
            if chosen:
                for name in chosen:
                    try:
                        tables.append(await self._client.get_table(resource, name, self._where(resource, named=True)))
                    except NotFound as error:
                        if not self._arguments.ignore_not_found:
                            print(line_of(error), file=sys.stderr)
                            code = 1
            else:
                try:
                    tables, version = await self._list(resource)
                except ApiError as error:
                    print(line_of(error), file=sys.stderr)
                    code = 1
                    continue
            widths = self._print(resource, tables)
            if self._arguments.watch:
                if len(resources) > 1:
                    raise usage("you may only specify a single resource type with --watch")
                await self._watch(resource, tables, version, chosen, widths)
        if not self._blocks and not code and not self._arguments.ignore_not_found:
            self._say_nothing_found(resources)
        return code

    async def _list(self, resource: Resource) -> tuple[list[Obj], str]:
        found = await self._client.list(
            resource,
            self._where(resource),
            labels=self._arguments.selector,
            fields=self._arguments.field_selector,
            as_table=True,
        )
        return found.items, found.resource_version

    def _where(self, resource: Resource, named: bool = False) -> str:
        if named and self._arguments.all_namespaces and resource.namespaced:
            raise usage("a resource cannot be retrieved by name across all namespaces")
        return scope.namespace(self._arguments, resource)

    def _print(self, resource: Resource, tables: list[Obj], widths: list[int] | None = None) -> list[int]:
        """Print a block; the widths of its columns, for those that follow in a watch."""
        if not any(each.get("rows") for each in tables):
            return []
        rows = table.rows_of(
            tables,
            wide=self._wide,
            namespaces=self._arguments.all_namespaces and resource.namespaced,
            kind=resource_display(resource) if self._several else "",
            labels=self._arguments.show_labels,
            header=not self._arguments.no_headers and widths is None,
        )
        if self._blocks and widths is None:
            print()
        self._blocks += 1
        sizes = table.column_widths(rows, widths or ())
        print("\n".join(table.aligned(rows, sizes)), flush=True)
        return sizes

    async def _watch(
        self, resource: Resource, tables: list[Obj], version: str, chosen: list[str], widths: list[int]
    ) -> None:
        fields = f"metadata.name={chosen[0]}" if chosen else self._arguments.field_selector
        if not version:
            version = max((str(each["metadata"].get("resourceVersion") or "") for each in tables), default="")
        async for events in self._client.watch(
            resource,
            self._where(resource),
            labels=self._arguments.selector,
            fields=fields,
            resource_version=version,
            as_table=True,
        ):
            for event in events:
                if event.type != BOOKMARK:
                    first = not self._blocks
                    # Only the first event of a watch carries the columns; a client keeps them.
                    if event.object.get("columnDefinitions"):
                        tables = [event.object]
                    shown = {**event.object, "columnDefinitions": tables[0]["columnDefinitions"]} if tables else None
                    if shown is not None:
                        widths = self._print(resource, [shown], None if first else widths) or widths

    def _say_nothing_found(self, resources: list[Resource]) -> None:
        spaces = {scope.namespace(self._arguments, resource) for resource in resources}
        text = f" in {spaces.pop()} namespace" if len(spaces) == 1 and "" not in spaces else ""
        print(f"No resources found{text}" + ("." if text else ""), file=sys.stderr)


async def _documents(arguments: argparse.Namespace, client: KubeClient, targets: list[Target], output: Output) -> int:
    """JSON, YAML, names, JSONPath: the objects themselves."""
    objects: list[tuple[Resource, Obj]] = []
    code = 0
    for target in targets:
        where = scope.namespace(arguments, target.resource)
        if not target.name:
            found = await client.list(
                target.resource, where, labels=arguments.selector, fields=arguments.field_selector
            )
            objects += [(target.resource, typed(target.resource, item)) for item in found.items]
            continue
        try:
            objects.append((target.resource, await client.get(target.resource, target.name, where)))
        except NotFound as error:
            if not arguments.ignore_not_found:
                print(line_of(error), file=sys.stderr)
                code = 1
    if code and not objects:
        return code
    if output.format == "name":
        for resource, obj in objects:
            print(display(resource, obj["metadata"]["name"]))
        return code
    shown = [documents.shown(obj, arguments.show_managed_fields) for _, obj in objects]
    single = len(targets) == 1 and targets[0].name and len(shown) == 1
    if targets and all(target.name for target in targets) and not shown:
        return code
    _print_documents(shown[0] if single else documents.as_list(shown), output)
    return code


def _print_documents(content: Obj, output: Output) -> None:
    if output.format == "jsonpath":
        sys.stdout.write(jsonpath.render(output.template, content))
    else:
        print(documents.to_json(content) if output.format == "json" else documents.to_yaml(content))


def typed(resource: Resource, item: Obj) -> Obj:
    """The item of a list with the apiVersion and kind that lists leave out."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **item}
