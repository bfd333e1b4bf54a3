"""Objects as JSON and YAML text, the way kubectl prints them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from kube_actors.api import Obj

# Line breaks of YAML 1.1 that are none to Go: only double quotes keep them.
ODD_BREAKS = "\x85\u2028\u2029"


def to_json(content: Any) -> str:
    return json.dumps(content, indent=4, sort_keys=True, ensure_ascii=False)


def to_yaml(content: Any) -> str:
    text = yaml.dump(
        content, Dumper=_Dumper, default_flow_style=False, sort_keys=True, allow_unicode=True, width=1 << 20
    )
    return text.removesuffix("\n")


def shown(obj: Obj, managed_fields: bool = False) -> Obj:
    """The object as it is printed: without the book-keeping of server-side apply, unless asked for."""
    metadata = obj.get("metadata")
    if managed_fields or not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def as_list(objects: Sequence[Obj]) -> Obj:
    """The List that kubectl wraps several objects in."""
    return {"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {"resourceVersion": ""}}


class _Dumper(yaml.SafeDumper):
    """Block text for lines, double quotes where Go's YAML has them, no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    tag = "tag:yaml.org,2002:str"
    if any(char in value for char in ODD_BREAKS):
        return dumper.represent_scalar(tag, value, style='"')
    if "\n" in value and not any(line.endswith(" ") for line in value.splitlines()) and "\t" not in value:
        return dumper.represent_scalar(tag, value, style="|")
    resolve: Any = dumper.resolve
    # Go quotes the one-letter booleans of YAML 1.1, which Python takes for text.
    plain = value not in ("y", "Y", "n", "N") and resolve(yaml.ScalarNode, value, (True, False)) == tag
    return dumper.represent_scalar(tag, value, style=None if plain else '"')


_Dumper.add_representer(str, _text)
