"""YAML bodies, as Kubernetes reads them: a timestamp is a string, and errors have go-yaml's words."""

from __future__ import annotations

from typing import Any

import orjson
import yaml

# More than a body of the size that is accepted has without aliases.
MAX_NODES = 4_000_000
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
    """The first document as JSON has it, of a key given twice the last; and what a strict reader says of such keys.

    Raises YamlError, also for what expands to far more than it is by its aliases.
    """
    loader = _Loader(data)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, []
        walk = _Walk()
        walk.size(node)
        value = orjson.loads(orjson.dumps(loader.construct_document(node), option=orjson.OPT_NON_STR_KEYS))
    except RecursionError:
        raise YamlError("yaml: exceeded max depth") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise YamlError(_go_text(error)) from None
    finally:
        loader.dispose()
    return value, walk.duplicates


class _Walk:
    """Once over all nodes: how many they are when aliases are written out, and which keys are given twice."""

    def __init__(self) -> None:
        self.duplicates: list[str] = []
        self._sizes: dict[int, int] = {}

    def size(self, node: yaml.Node) -> int:
        """Raises YamlError for what holds itself, or is too much."""
        known = self._sizes.get(id(node))
        if known is not None:
            if not known:
                raise YamlError("yaml: anchor value contains itself")
            return known
        self._sizes[id(node)] = 0
        total = 1
        if isinstance(node, yaml.SequenceNode):
            total += sum(map(self.size, node.value))
        elif isinstance(node, yaml.MappingNode):
            total += sum(self.size(value) for _, value in node.value)
            self._find_duplicates(node)
        if total > MAX_NODES:
            raise YamlError("yaml: document contains excessive aliasing")
        self._sizes[id(node)] = total
        return total

    def _find_duplicates(self, node: yaml.MappingNode) -> None:
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    self.duplicates.append(f'line {key.start_mark.line + 1}: key "{key.value}" already set in map')
                keys.add(key.value)


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
