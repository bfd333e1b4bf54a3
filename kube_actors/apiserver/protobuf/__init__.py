"""Request bodies in Kubernetes' protobuf, as typed clients send them for built-in kinds.

    body = "k8s\\0" + runtime.Unknown{typeMeta, raw, ...}; raw = the object -> decode.py -> the object as JSON has it

Field numbers are data: `fields.json`, which `derive.py` finds out from pairs of JSON and protobuf of one object with
every field set. Types come from the schema that validates JSON, so there is one description of a kind. Answers are
JSON, which every client that sends protobuf accepts.
"""
