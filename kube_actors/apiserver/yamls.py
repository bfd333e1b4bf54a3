"""YAML bodies, as Kubernetes reads them: a timestamp is a string, and errors have go-yaml's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

# What libyaml says otherwise in Go.
_GO = {"mapping values are not allowed here": "mapping values are not allowed in this context"}


class YamlError(ValueError):
    """No YAML; the text is go-yaml's."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Without timestamps."""


_Loader.yaml_implicit_resolvers = {
    key: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(data: bytes) -> tuple[Any, list[str]]:
    """The value of the first document, of a key given twice the last; and what a strict reader says of such keys.

    Raises YamlError.
    """
    loader = _Loader(data)
    try:
        node = loader.get_single_node()
        value = None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(_go_text(error)) from None
    except RecursionError:
        raise YamlError("yaml: exceeded max depth") from None
    finally:
        loader.dispose()
    return value, [] if node is None else list(_duplicates(node, set()))


def _duplicates(node: yaml.Node, seen: set[int]) -> Iterator[str]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _duplicates(item, seen)
    elif isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    yield f'line {key.start_mark.line + 1}: key "{key.value}" already set in map'
                keys.add(key.value)
            yield from _duplicates(value, seen)


def _go_text(error: Exception) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem is None:
        return f"yaml: {' '.join(str(error).split())}"
    problem = _GO.get(error.problem, error.problem)
    line = error.problem_mark.line if error.problem_mark is not None else 0
    if line and isinstance(error, yaml.scanner.ScannerError):
        line += 1
    elif not line and error.context_mark is not None:
        line = error.context_mark.line
    return f"yaml: line {line}: {problem}" if line else f"yaml: {problem}"
