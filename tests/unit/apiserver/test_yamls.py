"""YAML bodies: what Kubernetes reads in them, and what must not take the server down."""

from __future__ import annotations

import pytest

from kube_actors.apiserver import yamls


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"", None),
        (b"a: yes\nb: 2026-01-01\nc: 0x10\n1: x\n", {"a": True, "b": "2026-01-01", "c": 16, "1": "x"}),
        (b"base: &b {k: 1}\nuser: {<<: *b, l: 2}\n", {"base": {"k": 1}, "user": {"k": 1, "l": 2}}),
        (b'{"a": [1, null]}', {"a": [1, None]}),
    ],
)
def test_values_are_read_as_kubernetes_reads_them(text, value):
    assert yamls.parse(text)[0] == value


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"a: b: c", r"^yaml: mapping values are not allowed in this context$"),
        (b"a: 1\nb: c: d", r"^yaml: line 2: mapping values are not allowed in this context$"),
        (b"a: &a [*a]", r"contains itself$"),
        (b"a: 1\n---\nb: 1\n", "yaml: "),
        (b"- " * 5000, "depth"),
        (b"[" * 900 + b"]" * 900, "depth|Recursion limit"),
        (b"a: 123456789012345678901234567890", "yaml: "),
        (b"a: !!python/object:os.system x", "yaml: "),
        (b"\xff\xfe\x00", "yaml: "),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(text, fault):
    with pytest.raises(yamls.YamlError, match=fault):
        yamls.parse(text)


def test_a_bomb_of_aliases_does_not_go_off():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(yamls.YamlError, match="excessive aliasing"):
        yamls.parse("\n".join(lines).encode())


def test_keys_given_twice_are_told_by_line():
    value, faults = yamls.parse(b"a: 1\nb: {c: 1,\n  c: 2}\na: 3\n")
    assert value == {"a": 3, "b": {"c": 2}}
    assert sorted(faults) == ['line 3: key "c" already set in map', 'line 4: key "a" already set in map']
