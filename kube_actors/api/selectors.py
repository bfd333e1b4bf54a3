"""Label and field selectors: their texts, their objects, and what they match.

Grammar and messages follow apimachinery's labels.Parse and fields.ParseSelector. Requirements are kept
sorted by key, so that two selectors with the same meaning print the same text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kube_actors.api.validation import names

IN, NOT_IN, EXISTS, DOES_NOT_EXIST = "in", "notin", "exists", "!"
EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS = "=", "==", "!=", "gt", "lt"

_OBJECT_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": DOES_NOT_EXIST}
_SYMBOLS = {"gt": ">", "lt": "<"}
_OPERATORS = {
    "=": EQUALS, "==": DOUBLE_EQUALS, "!=": NOT_EQUALS, "in": IN, "notin": NOT_IN, ">": GREATER, "<": LESS,
}  # fmt: skip
_TOKEN = re.compile(r"\s*(?:(?P<symbol>==|!=|[=!(),<>])|(?P<word>[^\s=!(),<>]+)|$)")
_END = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        operator = self.operator
        value = labels.get(self.key)
        if operator in (EQUALS, DOUBLE_EQUALS, IN):
            return value is not None and value in self.values
        if operator in (NOT_EQUALS, NOT_IN):
            return value is None or value not in self.values
        if operator == EXISTS:
            return value is not None
        if operator == DOES_NOT_EXIST:
            return value is None
        number = _int64(value)
        bound = int(self.values[0])
        return number is not None and (number > bound if operator == GREATER else number < bound)

    def __str__(self) -> str:
        if self.operator == EXISTS:
            return self.key
        if self.operator == DOES_NOT_EXIST:
            return f"!{self.key}"
        if self.operator in (IN, NOT_IN):
            return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
        return f"{self.key}{_SYMBOLS.get(self.operator, self.operator)}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class Selector:
    """A conjunction of requirements; `nothing` matches no object at all."""

    requirements: tuple[Requirement, ...] = ()
    matches_nothing: bool = False

    @classmethod
    def everything(cls) -> Selector:
        return _EVERYTHING

    @classmethod
    def nothing(cls) -> Selector:
        return _NOTHING

    @property
    def is_everything(self) -> bool:
        return not self.requirements and not self.matches_nothing

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self.matches_nothing:
            return False
        labels = labels or {}
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


_EVERYTHING = Selector()
_NOTHING = Selector(matches_nothing=True)


class LabelSelector:
    """Makes selectors over labels."""

    @staticmethod
    def parse(text: str) -> Selector:
        """The selector of a query: `a=b,c in (d,e),!f`. Raises ValueError with Kubernetes' text."""
        return _parse_labels(text)

    @staticmethod
    def from_object(selector: Mapping[str, Any] | None) -> Selector:
        """The selector of a `LabelSelector` object: none selects nothing, an empty one everything.

        Raises ValueError with Kubernetes' text.
        """
        if selector is None:
            return _NOTHING
        labels = selector.get("matchLabels") or {}
        requirements = [Requirement(key, EQUALS, (value,)) for key, value in labels.items()]
        for expression in selector.get("matchExpressions") or ():
            operator = _OBJECT_OPERATORS.get(expression.get("operator", ""))
            if operator is None:
                raise ValueError(f'"{expression.get("operator", "")}" is not a valid label selector operator')
            requirements.append(_requirement(expression["key"], operator, expression.get("values") or ()))
        return Selector(tuple(sorted(requirements, key=_key)))

    @staticmethod
    def from_labels(labels: Mapping[str, str] | None) -> Selector:
        """All of these labels, as a Service's or ReplicationController's selector has it; none selects everything."""
        return Selector(tuple(Requirement(key, EQUALS, (value,)) for key, value in sorted((labels or {}).items())))


@lru_cache(maxsize=1024)
def _parse_labels(text: str) -> Selector:
    return Selector(tuple(sorted(_LabelParser(text).parse(), key=_key)))


def _key(requirement: Requirement) -> str:
    return requirement.key


def _int64(text: str | None) -> int | None:
    try:
        number = int(text or "")
    except ValueError:
        return None
    return number if -(2**63) <= number < 2**63 else None


def _requirement(key: str, operator: str, values: Iterable[str]) -> Requirement:
    """A checked requirement; ValueError says what is wrong with it."""
    values = tuple(values)
    errors = [f'<nil>: Invalid value: "{key}": {error}' for error in _joined(names.qualified_name(key))]
    if operator in (IN, NOT_IN) and not values:
        errors.append("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    elif operator in (EQUALS, DOUBLE_EQUALS, NOT_EQUALS) and len(values) != 1:
        errors.append(f"values: Invalid value: {_go_list(values)}: exact-match compatibility requires one single value")
    elif operator in (EXISTS, DOES_NOT_EXIST) and values:
        text = "values set must be empty for exists and does not exist"
        errors.append(f"values: Invalid value: {_go_list(values)}: {text}")
    elif operator in (GREATER, LESS):
        for index, value in enumerate(values):
            if _int64(value) is None:
                text = "for 'Gt', 'Lt' operators, the value must be an integer"
                errors.append(f'values[{index}]: Invalid value: "{value}": {text}')
    for index, value in enumerate(values):
        for error in _joined(names.label_value(value)):
            errors.append(f'values[{index}][{key}]: Invalid value: "{value}": {error}')
    if errors:
        raise ValueError(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
    return Requirement(key, operator, values)


def _joined(errors: Iterable[str]) -> list[str]:
    text = "; ".join(errors)
    return [text] if text else []


def _go_list(values: Iterable[str]) -> str:
    return "[" + ",".join(f'"{value}"' for value in values) + "]"


class _LabelParser:
    """A recursive-descent parser over the tokens of one selector text."""

    def __init__(self, text: str) -> None:
        self._tokens = [match["symbol"] or match["word"] or _END for match in _TOKEN.finditer(text)]
        if not self._tokens or self._tokens[-1] != _END:
            self._tokens.append(_END)
        self._at = 0

    def parse(self) -> Iterable[Requirement]:
        requirements: list[Requirement] = []
        while self._peek() != _END:
            if not (self._is_word() or self._peek() == "!"):
                raise ValueError(f"found '{self._peek()}', expected: !, identifier, or 'end of string'")
            try:
                requirements.append(self._requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            if self._peek() == _END:
                break
            if self._peek() != ",":
                raise ValueError(f"found '{self._peek()}', expected: ',' or 'end of string'")
            self._next()
            if not (self._is_word() or self._peek() == "!"):
                raise ValueError(f"found '{self._peek()}', expected: identifier after ','")
        return requirements

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _next(self) -> str:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _is_word(self) -> bool:
        return self._peek() not in ("", "=", "==", "!=", "!", "(", ")", ",", "<", ">")

    def _requirement(self) -> Requirement:
        negated = self._peek() == "!"
        if negated:
            self._next()
        if not self._is_word():
            raise ValueError(f"found '{self._peek()}', expected: identifier")
        key = self._next()
        if negated or self._peek() in (_END, ","):
            return _requirement(key, DOES_NOT_EXIST if negated else EXISTS, ())
        operator = _OPERATORS.get(self._peek())
        if operator is None:
            raise ValueError(f"found '{self._peek()}', expected: in, notin, =, ==, !=, gt, lt")
        self._next()
        if operator in (IN, NOT_IN):
            return _requirement(key, operator, self._values())
        return _requirement(key, operator, (self._exact_value(),))

    def _exact_value(self) -> str:
        if self._peek() in (_END, ","):
            return ""
        if not self._is_word():
            raise ValueError(f"found '{self._peek()}', expected: identifier")
        return self._next()

    def _values(self) -> list[str]:
        if self._peek() != "(":
            raise ValueError(f"found '{self._peek()}' expected: '('")
        self._next()
        values: list[str] = []
        while True:
            if self._is_word():
                values.append(self._next())
            elif self._peek() in (",", ")"):
                values.append("")
            else:
                raise ValueError(f"found '{self._peek()}', expected: ',', ')' or identifier")
            if self._peek() == ",":
                self._next()
                continue
            if self._next() != ")":
                raise ValueError(f"found '{self._tokens[self._at]}', expected: ',' or ')'")
            return sorted(set(values))


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on one field, by its dotted name."""

    field: str
    operator: str
    value: str

    def matches(self, fields: Mapping[str, str]) -> bool:
        return (fields.get(self.field, "") == self.value) == (self.operator == EQUALS)

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{_escape(self.value)}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """A conjunction of conditions on fields: `metadata.name=a,status.phase!=Running`."""

    requirements: tuple[FieldRequirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> FieldSelector:
        """Raises ValueError with Kubernetes' text."""
        requirements = []
        for term in _split_terms(text):
            if not term:
                continue
            field, operator, value = _split_operator(term)
            if operator is None:
                raise ValueError(f"invalid selector: '{text}'; can't understand '{term}'")
            requirements.append(FieldRequirement(field, operator, _unescape(value)))
        return cls(tuple(requirements))

    @property
    def is_everything(self) -> bool:
        return not self.requirements

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all(requirement.matches(fields) for requirement in self.requirements)

    def exact(self, field: str) -> str | None:
        """The value that `field` has to equal, or None."""
        for requirement in self.requirements:
            if requirement.field == field and requirement.operator == EQUALS:
                return requirement.value
        return None

    def transform(self, convert: Callable[[str, str], tuple[str, str]]) -> FieldSelector:
        """Every field and value through `convert`, which raises for a field that is not known."""
        converted = ((*convert(r.field, r.value), r.operator) for r in self.requirements)
        return FieldSelector(tuple(FieldRequirement(field, operator, value) for field, value, operator in converted))

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


def _split_terms(text: str) -> list[str]:
    return re.split(r"(?<!\\),", text) if text else []


def _split_operator(term: str) -> tuple[str, str | None, str]:
    match = re.search(r"(?<!\\)(!=|==|=)", term)
    if match is None:
        return term, None, ""
    return term[: match.start()], NOT_EQUALS if match[1] == "!=" else EQUALS, term[match.end() :]


def _escape(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)


def _unescape(value: str) -> str:
    if re.search(r"(?<!\\)(?:\\\\)*[=]", value):
        raise ValueError(f"invalid field selector: unescaped character in value: {value}")
    return re.sub(r"\\([\\,=])", r"\1", value)
