"""Expressions as trees: what cel-cpp's parser found, read from its serialized form (cel.expr.ParsedExpr).

Macros are expanded: `all`, `map` and the others are comprehensions here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

# Message -> its fields: name, number, type; of the public cel/expr/syntax.proto, what is needed of it.
_FIELDS: dict[str, tuple[tuple[str, int, str], ...]] = {
    "ParsedExpr": (("expr", 2, "Expr"),),
    "Expr": (
        ("const_expr", 3, "Constant"), ("ident_expr", 4, "Ident"), ("select_expr", 5, "Select"),
        ("call_expr", 6, "Call"), ("list_expr", 7, "CreateList"), ("struct_expr", 8, "CreateStruct"),
        ("comprehension_expr", 9, "Comprehension"),
    ),
    "Constant": (("int64_value", 3, "int64"), ("string_value", 6, "string"), ("bytes_value", 7, "bytes")),
    "Ident": (("name", 1, "string"),),
    "Select": (("operand", 1, "Expr"), ("field", 2, "string")),
    "Call": (("target", 1, "Expr"), ("function", 2, "string"), ("args", 3, "Expr*")),
    "CreateList": (("elements", 1, "Expr*"),),
    "CreateStruct": (("entries", 2, "Entry*"),),
    "Entry": (("map_key", 3, "Expr"), ("value", 4, "Expr")),
    "Comprehension": (
        ("iter_var", 1, "string"), ("iter_range", 2, "Expr"), ("accu_var", 3, "string"), ("accu_init", 4, "Expr"),
        ("loop_condition", 5, "Expr"), ("loop_step", 6, "Expr"), ("result", 7, "Expr"),
    ),
}  # fmt: skip
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"string": _Field.TYPE_STRING, "bytes": _Field.TYPE_BYTES, "int64": _Field.TYPE_INT64}


@dataclass(frozen=True, slots=True)
class Const:
    size: int
    """Of text its length; 1 for anything else."""


@dataclass(frozen=True, slots=True)
class Ident:
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    operand: Expr
    field: str


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expr, ...]
    """What a member function is called on comes first."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A list, or a map or struct with its keys among the items."""

    items: tuple[Expr, ...]
    is_list: bool


@dataclass(frozen=True, slots=True)
class Loop:
    variable: str
    over: Expr
    accumulator: str
    initial: Expr
    condition: Expr
    step: Expr
    result: Expr


Expr = Const | Ident | Select | Call | Literal | Loop


def _message_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="cel_syntax.proto", package="cel.expr", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            label = _Field.LABEL_REPEATED if kind.endswith("*") else _Field.LABEL_OPTIONAL
            made = message.field.add(name=field, number=number, label=label)
            kind = kind.rstrip("*")
            made.type = _SCALARS.get(kind, _Field.TYPE_MESSAGE)
            if kind not in _SCALARS:
                made.type_name = f".cel.expr.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("cel.expr.ParsedExpr"))


_ParsedExpr = _message_class()


def tree(serialized: bytes) -> Expr:
    """The tree of what `Expression.serialize` gave for an expression that was parsed alone."""
    envelope = any_pb2.Any.FromString(serialized)
    return _expr(_ParsedExpr.FromString(envelope.value).expr)


def _expr(raw: Any) -> Expr:
    if raw.HasField("ident_expr"):
        return Ident(raw.ident_expr.name)
    if raw.HasField("select_expr"):
        return Select(_expr(raw.select_expr.operand), raw.select_expr.field)
    if raw.HasField("call_expr"):
        call = raw.call_expr
        target = (_expr(call.target),) if call.HasField("target") else ()
        return Call(call.function, (*target, *map(_expr, call.args)))
    if raw.HasField("list_expr"):
        return Literal(tuple(map(_expr, raw.list_expr.elements)), True)
    if raw.HasField("struct_expr"):
        entries = raw.struct_expr.entries
        keys = [_expr(entry.map_key) for entry in entries if entry.HasField("map_key")]
        return Literal((*keys, *(_expr(entry.value) for entry in entries)), False)
    if raw.HasField("comprehension_expr"):
        loop = raw.comprehension_expr
        parts = (loop.accu_init, loop.loop_condition, loop.loop_step, loop.result)
        return Loop(loop.iter_var, _expr(loop.iter_range), loop.accu_var, *map(_expr, parts))
    const = raw.const_expr
    return Const(len(const.string_value) or len(const.bytes_value) or 1)
