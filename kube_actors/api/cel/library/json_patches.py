"""jsonpatch.escapeKey, for paths of JSON patches (k8s.io/apiserver/pkg/cel/library/jsonpatch.go)."""

from __future__ import annotations

from kube_actors.api.cel.library.functions import Function


def _escape_key(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


FUNCTIONS = (Function("jsonpatch.escapeKey", ("string",), "string", _escape_key, member=False),)
