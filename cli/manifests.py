"""Objects from files, folders and standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kube_actors.api import Obj

from .failure import usage

SUFFIXES = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and where it is from."""

    source: str
    obj: Obj


def load(names: Sequence[str], recursive: bool = False) -> list[Manifest]:
    """All objects of the named files and folders, `-` being standard input. Raises Failure."""
    found = [manifest for name in names for manifest in _load(name, recursive)]
    if not found:
        raise usage(f"no objects passed to apply in {', '.join(names)}")
    return found


def _load(name: str, recursive: bool) -> Iterator[Manifest]:
    if name == "-":
        yield from parse(sys.stdin.read(), "STDIN")
        return
    path = Path(name)
    if not path.exists():
        raise usage(f'the path "{name}" does not exist')
    files = [path] if not path.is_dir() else sorted(path.rglob("*") if recursive else path.iterdir())
    for file in files:
        if path.is_dir() and (file.suffix not in SUFFIXES or not file.is_file()):
            continue
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise usage(f"cannot read {file}: {error}") from error
        yield from parse(text, str(file))


def parse(text: str, source: str) -> Iterator[Manifest]:
    """The objects of a text of YAML or JSON documents; a List gives its items."""
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise usage(f"error parsing {source}: error converting YAML to JSON: yaml: {_problem(error)}") from error
    for document in documents:
        if document is not None:
            yield from _objects(document, source)


def _objects(document: Any, source: str) -> Iterator[Manifest]:
    if not isinstance(document, dict):
        raise usage(f"unable to decode {source!r}: a document has to be a mapping, not {type(document).__name__}")
    for key in ("apiVersion", "kind"):
        if not isinstance(document.get(key), str) or not document[key]:
            missing = "Object 'Kind' is missing" if key == "kind" else "apiVersion not set"
            raise usage(f'error validating "{source}": error validating data: {missing} in {_brief(document)}')
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _objects(item, source)
        return
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise usage(f"error parsing {source}: {document['kind']} has no metadata.name")
    yield Manifest(source, document)


def _brief(document: Obj) -> str:
    return ", ".join(sorted(map(str, document)))[:80]


def _problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}: {problem}" if mark is not None else problem


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: times stay text, a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'key "{key}" already set in map', key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# 1.2 has neither timestamps nor yes/no/on/off as booleans; Kubernetes' reader keeps the latter, as kubectl does.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
