"""Values against JSON-schema keywords, in the order and words of kube-openapi's validators.

    type -> anyOf, oneOf, allOf, not -> string -> format -> number -> array -> enum -> object

A change is held to less: what has not changed is not checked again (ratcheting, KEP-4008), so objects can be written
whose old values a new schema refuses.
"""

from __future__ import annotations

from typing import Any

from kube_actors.api import regexes
from kube_actors.api.crd.findings import Findings
from kube_actors.api.crd.formats import FORMATS, fits
from kube_actors.api.crd.structural import MISSING, Raw

_INT32, _INT64 = (-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1)


def check(raw: Raw, value: Any, path: str = "", old: Any = MISSING, *, root: bool = False) -> Findings:
    """What is wrong with `value`; nothing where it equals `old`, the value that was there before."""
    found = Findings()
    if old is not MISSING and _same(value, old):
        return found
    if value is None:
        if not raw.get("nullable"):
            kinds = _types(raw)
            if kinds:
                found.wrong_type(path, ",".join(kinds), "null")
        return found
    _check_type(found, raw, value, path)
    _check_logic(found, raw, value, path)
    if isinstance(value, str):
        _check_string(found, raw, value, path)
    elif isinstance(value, list):
        _check_list(found, raw, value, path, old)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(found, raw, value, path)
    if "enum" in raw and raw["enum"] is not None and not any(_same(value, one) for one in raw["enum"]):
        found.unsupported(path, value, [str(one) for one in raw["enum"]])
    if isinstance(value, dict):
        _check_object(found, raw, value, path, old, root)
    return found


def json_type(value: Any) -> str:
    """JSON schema's name of a value's type."""
    if isinstance(value, bool):
        return "boolean"
    if value is None:
        return "null"
    if isinstance(value, float):
        return "number"
    return {str: "string", int: "integer", list: "array", dict: "object"}[type(value)]


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _types(raw: Raw) -> list[str]:
    if raw.get("x-kubernetes-int-or-string"):
        return ["integer", "string"]
    kind = raw.get("type")
    return [kind] if kind else []


def _check_type(found: Findings, raw: Raw, value: Any, path: str) -> None:
    kinds = _types(raw)
    if not kinds:
        return
    actual, name = json_type(value), raw.get("format") or ""
    whole = isinstance(value, float) and value.is_integer() and "integer" in kinds
    fitting = actual in kinds or whole or (actual == "integer" and "number" in kinds)
    if name and not isinstance(value, str | list) and not fitting:
        found.wrong_type(path, name, {"integer": "int64", "number": "double"}.get(actual, ""))
    elif name and isinstance(value, str | list) and not {"number", "integer"} & set(kinds):
        return
    elif not fitting:
        found.wrong_type(path, ",".join(kinds), actual)


def _check_logic(found: Findings, raw: Raw, value: Any, path: str) -> None:
    if raw.get("anyOf"):
        results = [check(one, value, path) for one in raw["anyOf"]]
        if all(results):
            found.general(f'"{path}" must validate at least one schema (anyOf)')
            found.merge(results[0])
    if raw.get("oneOf"):
        results = [check(one, value, path) for one in raw["oneOf"]]
        valid = sum(not result for result in results)
        if valid != 1:
            counted = f"Found {valid} valid alternatives" if valid else "Found none valid"
            found.general(f'"{path}" must validate one and only one schema (oneOf). {counted}')
            if not valid:
                found.merge(results[0])
    if raw.get("allOf"):
        results = [check(one, value, path) for one in raw["allOf"]]
        failed = [result for result in results if result]
        for result in failed:
            found.merge(result)
        if failed:
            passed = "None validated" if len(failed) == len(results) else ""
            found.general(f'"{path}" must validate all the schemas (allOf){". " + passed if passed else ""}')
    if raw.get("not") and not check(raw["not"], value, path):
        found.general(f'"{path}" must not validate the schema (not)')


def _check_string(found: Findings, raw: Raw, value: str, path: str) -> None:
    longest, shortest, pattern = raw.get("maxLength"), raw.get("minLength"), raw.get("pattern")
    if longest is not None and len(value) > longest:
        found.too_long_text(path, longest)
    elif shortest is not None and len(value) < shortest:
        found.in_body(path, value, f"should be at least {shortest} chars long")
    elif pattern and not matches(pattern, value):
        found.in_body(path, value, f"should match '{pattern}'")
    name = raw.get("format")
    if name in FORMATS and not fits(name, value):
        found._add(
            "FieldValueTypeInvalid",
            f'Invalid value: "{value}"',
            path,
            f'{path} in body must be of type {name}: "{value}"',
        )


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is somewhere in the text; true for a pattern that is none, which no valid CRD has."""
    try:
        return regexes.compile(pattern).search(text) is not None
    except regexes.RegexError:
        return True


def _check_number(found: Findings, raw: Raw, value: float, path: str) -> None:
    kinds, name = _types(raw), raw.get("format") or ""
    if "integer" in kinds:
        low, high = _INT32 if name == "int32" else _INT64
        if (isinstance(value, float) and not value.is_integer()) or not low <= value <= high:
            suffix = f"with format {name}" if name else "(default format)"
            found.general(f"Checked value must be of type integer {suffix} in {path}")
    step, most, least = raw.get("multipleOf"), raw.get("maximum"), raw.get("minimum")
    if step and not _is_multiple(value, step):
        found.in_body(path, value, f"should be a multiple of {_number(step)}")
    if most is not None and (value >= most if raw.get("exclusiveMaximum") else value > most):
        than = "less than" if raw.get("exclusiveMaximum") else "less than or equal to"
        found.in_body(path, value, f"should be {than} {_number(most)}")
    if least is not None and (value <= least if raw.get("exclusiveMinimum") else value < least):
        than = "greater than" if raw.get("exclusiveMinimum") else "greater than or equal to"
        found.in_body(path, value, f"should be {than} {_number(least)}")


def _is_multiple(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    try:
        return (value / step).is_integer()
    except OverflowError:  # so large that no double is near it
        return False


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _check_list(found: Findings, raw: Raw, value: list[Any], path: str, old: Any) -> None:
    items = raw.get("items")
    if isinstance(items, dict):
        before = correlated(raw, value, old)
        for index, item in enumerate(value):
            found.merge(check(items, item, f"{path}[{index}]", before[index]))
    least, most = raw.get("minItems"), raw.get("maxItems")
    if least is not None and len(value) < least:
        found.in_body(path, len(value), f"should have at least {least} items")
    if most is not None and len(value) > most:
        found.too_many_items(path, len(value), most)


def correlated(raw: Raw, value: list[Any], old: Any) -> list[Any]:
    """What each item was before: found by its keys in a list of type map, else unknown."""
    keys = raw.get("x-kubernetes-list-map-keys") or ()
    if not isinstance(old, list) or raw.get("x-kubernetes-list-type") != "map":
        return [MISSING] * len(value)
    known = {map_key(item, keys): item for item in old if isinstance(item, dict)}
    return [known.get(map_key(item, keys), MISSING) if isinstance(item, dict) else MISSING for item in value]


def map_key(item: Raw, keys: Any) -> tuple[str, ...]:
    """What tells an item of a list of type map from the others."""
    return tuple(repr(item.get(key)) for key in keys)


def _check_object(found: Findings, raw: Raw, value: Raw, path: str, old: Any, root: bool) -> None:
    least, most = raw.get("minProperties"), raw.get("maxProperties")
    if least is not None and len(value) < least:
        found.in_body(path, len(value), f"should have at least {least} properties")
        return
    if most is not None and len(value) > most:
        found.too_many_items(path, len(value), most)
        return
    before = old if isinstance(old, dict) else {}
    properties, additional = raw.get("properties") or {}, raw.get("additionalProperties")
    if isinstance(additional, dict):
        for name in value.keys() - properties.keys():
            found.merge(check(additional, value[name], join(path, name), before.get(name, MISSING)))
    for name, below in properties.items():
        if name in value:
            found.merge(check(below, value[name], join(path, name), before.get(name, MISSING)))
    for name in raw.get("required") or ():
        if name not in value and not (root and name == "metadata"):
            found.required(join(path, name))


def _same(value: Any, other: Any) -> bool:
    """JSON equality: true is not 1."""
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_same(value[key], other[key]) for key in value)
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_same, value, other))
    return bool(value == other)
