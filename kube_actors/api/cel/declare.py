"""Declared types as cel-cpp's checker takes them: object types become protobuf messages of a pool of their own.

The messages are never filled: they exist so that the checker knows the fields. What protobuf cannot say as a field
(a list of lists, a map of lists) is declared as a list or map of anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pool import DescriptorPool

from kube_actors.api.cel.library.functions import OPAQUE
from kube_actors.api.cel.types import Type

_Field = descriptor_pb2.FieldDescriptorProto
_IMPORTED = (struct_pb2, timestamp_pb2, duration_pb2)
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "int": _Field.TYPE_INT64,
    "uint": _Field.TYPE_UINT64,
    "double": _Field.TYPE_DOUBLE,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}
_WELL_KNOWN = {
    "timestamp": ".google.protobuf.Timestamp",
    "duration": ".google.protobuf.Duration",
    "dyn": ".google.protobuf.Value",
}
_CEL = {
    "dyn": cel.Type.DYN,
    "bool": cel.Type.BOOL,
    "int": cel.Type.INT,
    "uint": cel.Type.UINT,
    "double": cel.Type.DOUBLE,
    "string": cel.Type.STRING,
    "bytes": cel.Type.BYTES,
    "timestamp": cel.Type.TIMESTAMP,
    "duration": cel.Type.DURATION,
}
HOLDER = "optionals__"


class Declarations:
    """The variables' types for the checker, and the pool that describes their messages."""

    def __init__(self, variables: Mapping[str, Type], structs: Mapping[str, frozenset[str]]) -> None:
        """`structs`: messages that the expression itself constructs, by name, with fields of any type."""
        self.pool = DescriptorPool()
        for module in _IMPORTED:
            self.pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        for number, opaque in enumerate(OPAQUE.values()):
            package, _, message = opaque.rpartition(".")
            file = descriptor_pb2.FileDescriptorProto(name=f"opaque{number}.proto", package=package, syntax="proto3")
            file.message_type.add(name=message)
            self.pool.Add(file)
        self._file = descriptor_pb2.FileDescriptorProto(
            name="declared.proto",
            syntax="proto3",
            dependency=[module.DESCRIPTOR.name for module in _IMPORTED],
        )
        optionals = {name: held.items for name, held in variables.items() if held.kind == "optional" and held.items}
        plain = {name: held for name, held in variables.items() if name not in optionals}
        self.variables = {name: self._type(name, held) for name, held in plain.items()}
        if optionals:
            self.variables[HOLDER] = cel.Type(self._message("Optionals__", list(optionals.items())))
        self._add_structs(structs)
        self.pool.Add(self._file)

    def _type(self, path: str, declared: Type) -> cel.Type:
        if declared.kind == "object":
            return cel.Type(self._message(path, list(declared.fields)))
        if declared.kind == "list" and declared.items is not None:
            return cel.Type.List(self._type(path, declared.items))
        if declared.kind == "map" and declared.items is not None:
            return cel.Type.Map(cel.Type.STRING, self._type(path, declared.items))
        return _CEL[declared.kind]

    def _message(self, path: str, fields: list[tuple[str, Type]]) -> str:
        """Declare a message; its name, which no other has."""
        name = f"M{len(self._file.message_type)}_{path}"
        message = self._file.message_type.add(name=name)
        for number, (field, declared) in enumerate(fields, start=1):
            self._field(message, number, field, declared)
        return name

    def _field(self, message: descriptor_pb2.DescriptorProto, number: int, name: str, declared: Type) -> None:
        label = _Field.LABEL_OPTIONAL
        if declared.kind == "list" and declared.items is not None:
            label = _Field.LABEL_REPEATED
            declared = Type("dyn") if declared.items.kind in ("list", "map") else declared.items
        field = message.field.add(name=name, number=number, label=label, json_name=f"{name}#{number}")
        if declared.kind == "map" and declared.items is not None:
            self._map_field(message, field, declared.items)
        else:
            self._set_type(field, name, declared)

    def _map_field(self, message: descriptor_pb2.DescriptorProto, field: _Field, values: Type) -> None:
        # protobuf wants exactly this name of the entry of a map, made of the field's
        entry = "".join(part[:1].upper() + part[1:] for part in field.name.split("_")) + "Entry"
        nested = message.nested_type.add(name=entry)
        nested.options.map_entry = True
        nested.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
        value = nested.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL)
        self._set_type(value, field.name, Type("dyn") if values.kind in ("list", "map") else values)
        field.label, field.type, field.type_name = (
            _Field.LABEL_REPEATED,
            _Field.TYPE_MESSAGE,
            f".{message.name}.{entry}",
        )

    def _set_type(self, field: _Field, path: str, declared: Type) -> None:
        if declared.kind in _SCALARS:
            field.type = _SCALARS[declared.kind]
            return
        field.type = _Field.TYPE_MESSAGE
        known = _WELL_KNOWN.get(declared.kind)
        field.type_name = known or f".{self._message(path, list(declared.fields))}"

    def _add_structs(self, structs: Mapping[str, frozenset[str]]) -> None:
        for name in sorted(structs):
            message = self._file.message_type.add(name=name)
            for number, field in enumerate(sorted(structs[name]), start=1):
                self._field(message, number, field, Type("dyn"))
