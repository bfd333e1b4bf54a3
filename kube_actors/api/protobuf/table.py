"""The messages: which field of an object has which number and kind, read from fields.json.

A row is `"NAME": "PATH KIND"`. PATH is the field's number, or `2.1` for field 1 of a struct that Go embeds as field 2.
KIND: s string, b bool, i int32 and int64, d double, y bytes, q Quantity, t Time, u MicroTime, x IntOrString, j JSON
bytes in a message (RawExtension, FieldsV1, JSON), the unions of JSON schemas by their names, else a message. `[]KIND`
is a list, `{}KIND` a map with string keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from kube_actors.api import encoding, gotypes, schema

FILE = Path(__file__).with_name("fields.json")
_SCALARS = frozenset("sbi")
_LIST = "List"


@dataclass(frozen=True, slots=True)
class Row:
    """One field. `keep` is whether an empty scalar is encoded in JSON, which a Go pointer is and a plain one is not."""

    number: int
    name: str
    kind: str
    keep: bool = True


@dataclass(slots=True)
class Shape:
    """A message: its own fields in the order of their numbers, and by their numbers the structs that it embeds."""

    name: str
    rows: list[Row] = field(default_factory=list)
    embedded: dict[int, Shape] = field(default_factory=dict)


@cache
def shape(name: str) -> Shape:
    """The message of this name. KeyError where there is none."""
    if name.endswith(_LIST) and name not in _messages() and name[: -len(_LIST)] in _messages():
        rows = [Row(1, "metadata", "meta.v1.ListMeta"), Row(2, "items", f"[]{name[: -len(_LIST)]}")]
        return Shape(name, rows)
    found = Shape(name)
    for field_name, row in _messages()[name].items():
        path, kind = row.split(" ")
        *outer, number = map(int, path.split("."))
        target = found
        for step in outer:
            target = target.embedded.setdefault(step, Shape(name))
        target.rows.append(Row(number, field_name, kind, kind not in _SCALARS or _keeps(name, field_name)))
    return found


@cache
def message_of(api_version: str, kind: str) -> str | None:
    """The message of a kind, or of a list of it; None for what has no protobuf form."""
    version = api_version.rpartition("/")[2]
    names = [f"{api_version} {kind}", f"{api_version} {kind.removesuffix(_LIST)}"]
    for number, name in enumerate(names):
        if found := _kinds().get(name):
            return found + _LIST if number else found
    # The kinds of meta belong to every group: a client of apps/v1 sends DeleteOptions of apps/v1.
    found = _kinds().get(f"v1 {kind}", "")
    return found if version and found.startswith("meta.") else None


@cache
def _document() -> dict[str, dict[str, str] | dict[str, dict[str, str]]]:
    document: dict[str, dict[str, str] | dict[str, dict[str, str]]] = encoding.loads(FILE.read_bytes())
    return document


@cache
def _messages() -> dict[str, dict[str, str]]:
    return _document()["messages"]  # type: ignore[return-value]


@cache
def _kinds() -> dict[str, str]:
    return _document()["kinds"]  # type: ignore[return-value]


@cache
def _definitions() -> dict[str, str]:
    return {".".join(name.rsplit(".", 3)[1:]): name for name in schema.definitions()}


def _keeps(message: str, name: str) -> bool:
    definition = _definitions().get(message)
    if definition is None:
        return False
    node = schema.definition(definition)
    return name in node.properties and gotypes.keeps_zero(node, name)
