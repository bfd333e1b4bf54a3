"""Kubernetes' protobuf: objects of built-in kinds to and from the form that JSON has.

    bytes "k8s\\0" + runtime.Unknown -> envelope.py -> decoder.py -> Obj      (request bodies)
    Obj -> encoder.py -> envelope.py -> bytes                               (answers, lists, frames of watches)

table.py holds what both compile: messages with their fields, numbers and kinds, read from fields.json. That file is
derived data: derive.py makes it from pairs of JSON and protobuf, and no server runs it. No generated code and no
protobuf library: a loop over compiled tables makes plain dicts directly. The package does not validate, default or
report unknown fields: `kube_actors.api.decode` does, and gets the same object from both encodings. Custom resources
have no protobuf form.
"""
