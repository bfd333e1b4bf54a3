"""`Object{spec: Object.spec{replicas: 1}}`: constructing objects whose types nobody declared.

The types of a MutatingAdmissionPolicy's objects follow from where they are used, so they are found in the expression's
own text: for the checker as flat names of the same length (`Object_spec`), which keeps the columns of its errors, and
for evaluation as map literals with quoted keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      | (?P<text>[rRbB]{0,2}(?:(?P<quote>\"{3}|'{3})(?:[^\\]|\\.)*?(?P=quote)|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
      | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ROOTS = ("Object", "JSONPatch")


@dataclass(slots=True)
class Structs:
    """What was found in one expression."""

    checked: str = ""
    """For the checker: `Object.spec{...}` is `Object_spec{...}`."""
    running: str = ""
    """For evaluation: `Object.spec{a: 1}` is `{"a": 1}`."""
    fields: dict[str, set[str]] = field(default_factory=dict)
    """The fields that each type is given, by flat name."""

    def original(self, text: str) -> str:
        """Undo the flat names in an error's text."""
        for flat in self.fields:
            text = text.replace(flat, flat.replace("_", ".")) if flat.startswith("Object_") else text
        return text


def find(expression: str) -> Structs:
    """The structs that `expression` constructs."""
    found = Structs()
    tokens = [(str(match.lastgroup), match[0]) for match in _TOKEN.finditer(expression)]
    open_braces: list[str | None] = []  # the type that is constructed, None for a map, a list or parentheses
    pending: str | None = None
    for index, (group, text) in enumerate(tokens):
        checked = running = text
        following = _next(tokens, index)
        if group == "name" and text.split(".")[0] in _ROOTS and following == "{":
            pending, checked, running = text.replace(".", "_"), text.replace(".", "_"), ""
            found.fields.setdefault(pending, set())
        elif group == "name" and following == ":" and open_braces and open_braces[-1] and _starts_field(tokens, index):
            found.fields[open_braces[-1]].add(text)
            running = f'"{text}"'
        elif text in ("{", "[", "("):
            open_braces.append(pending if text == "{" else None)
            pending = None
        elif text in ("}", "]", ")") and open_braces:
            open_braces.pop()
        found.checked += checked
        found.running += running
    return found


def _next(tokens: list[tuple[str, str]], index: int) -> str:
    return next((text for group, text in tokens[index + 1 :] if group != "space"), "")


def _starts_field(tokens: list[tuple[str, str]], index: int) -> bool:
    before = next((text for group, text in reversed(tokens[:index]) if group != "space"), "")
    return before in ("{", ",", "?")
