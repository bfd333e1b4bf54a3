"""What describers write with: indented lines, tabs between columns, and the parts that many kinds share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kube_actors.api import Obj

NONE = "<none>"
# Kept out of describe, as kubectl does: the annotation is the whole object once more.
HIDDEN_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)
INDENT = "  "
LONGEST_ANNOTATION = 140


class Text:
    """Lines with tabs; `tabwriter.align` makes columns of them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, level: int, line: str) -> None:
        self.lines.append(INDENT * level + line)

    def field(self, level: int, name: str, value: Any) -> None:
        self.write(level, f"{name}:\t{value}")

    def pairs(self, name: str, pairs: Mapping[str, str] | None, separator: str = "=") -> None:
        """`Labels:  a=b`, further ones below the first."""
        self.several(name, [f"{key}{separator}{value}" for key, value in sorted((pairs or {}).items())])

    def several(self, name: str, values: Iterable[str], level: int = 0) -> None:
        """One value a line, the name before the first."""
        first, *rest = list(values) or [NONE]
        self.write(level, f"{name}:\t{first}")
        for value in rest:
            self.write(level, f"\t{value}")

    def annotations(self, obj: Obj) -> None:
        shown = []
        for key, value in sorted((obj["metadata"].get("annotations") or {}).items()):
            if key in HIDDEN_ANNOTATIONS:
                continue
            line = " ".join(str(value).split())
            cut = f"{line[:LONGEST_ANNOTATION]}..." if len(line) > LONGEST_ANNOTATION else line
            shown.append(f"{key}: {cut}")
        self.several("Annotations", shown)

    def head(self, obj: Obj) -> None:
        """Name, namespace, labels, annotations."""
        self.field(0, "Name", obj["metadata"]["name"])
        if obj["metadata"].get("namespace"):
            self.field(0, "Namespace", obj["metadata"]["namespace"])
        self.pairs("Labels", obj["metadata"].get("labels"))
        self.annotations(obj)


def selector_text(selector: Obj | None) -> str:
    """`app=web,tier in (a,b)`."""
    if not selector:
        return NONE
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], ",".join(sorted(each.get("values") or ()))
        words = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(words.get(each["operator"], f"!{key}"))
    return ",".join(parts) or NONE
