"""Accept and Content-Type: which form of an answer is wanted, which form a body has.

Kubernetes: k8s.io/apiserver/pkg/endpoints/handlers/negotiation. Objects of custom resources have no protobuf form, so
a client that lists it before JSON gets JSON for them; their metadata alone has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kube_actors.api import errors

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
SERVED = (JSON, YAML)
ALL = (*SERVED, PROTOBUF)
_META = "meta.k8s.io"
_SHAPES = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_WILD = ("*/*", "application/*")


@dataclass(frozen=True, slots=True)
class Form:
    """How to answer. `shape` is empty for the object itself, else Table, PartialObjectMetadata(List)."""

    media_type: str = JSON
    shape: str = ""
    shape_version: str = ""
    pretty: bool = False


@dataclass(frozen=True, slots=True)
class _Clause:
    media_type: str
    parameters: tuple[tuple[str, str], ...]
    quality: float

    def get(self, name: str) -> str:
        return next((value for key, value in self.parameters if key == name), "")


PLAIN = Form()


@lru_cache(maxsize=512)
def accepted(header: str, *, protobuf: bool = False, custom: bool = False) -> Form:
    """The first form of an Accept header that can be given. Raises NotAcceptable.

    `protobuf` is whether the answer may be in it, `custom` whether its objects are custom resources.
    """
    if not header or header == "*/*" or header == JSON:
        return PLAIN
    for clause in _clauses(header):
        media_type = JSON if clause.media_type in _WILD else clause.media_type
        shape = clause.get("as")
        if media_type not in SERVED and not (media_type == PROTOBUF and protobuf and _in_protobuf(shape, custom)):
            continue
        if not shape:
            return Form(media_type, pretty=clause.get("pretty") in ("1", "true"))
        if shape in _SHAPES and clause.get("g") == _META and clause.get("v") in ("v1", "v1beta1"):
            return Form(media_type, shape, clause.get("v"))
    raise not_acceptable()


def _in_protobuf(shape: str, custom: bool) -> bool:
    return shape != "Table" and bool(shape or not custom)


def discovery(header: str) -> str:
    """The version of aggregated discovery that is wanted, empty for the classic form."""
    for clause in _clauses(header):
        if clause.media_type not in (JSON, *_WILD):
            continue
        if clause.get("as") == "APIGroupDiscoveryList" and clause.get("g") == "apidiscovery.k8s.io":
            if clause.get("v") in ("v2", "v2beta1"):
                return clause.get("v")
            continue
        return ""
    return ""


def body_type(header: str) -> str:
    """The media type of a body: JSON where none is said. Raises UnsupportedMediaType."""
    media_type = header.partition(";")[0].strip().lower()
    if media_type in ("", JSON):
        return JSON
    if media_type in (YAML, "application/x-yaml", "text/yaml"):
        return YAML
    if media_type == PROTOBUF:
        return PROTOBUF
    raise unsupported()


def unsupported(types: tuple[str, ...] = ALL) -> errors.UnsupportedMediaType:
    text = "the body of the request was in an unknown format - accepted media types include"
    return errors.UnsupportedMediaType(f"{text}: {', '.join(types)}")


@lru_cache(maxsize=512)
def check_routable(header: str, *, streams: bool) -> None:
    """Refuse what names none of our media types, in the words of kube-apiserver's router. Raises NotAcceptable."""
    if not header or any(clause.media_type in (*ALL, *_WILD) for clause in _clauses(header)):
        return
    types = [*ALL, *(f"{one};stream=watch" for one in (JSON, PROTOBUF) if streams)]
    error = errors.NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {', '.join(types)}")
    raise errors.NotAcceptable(error.message, status={**error.status(), "details": {}})


def not_acceptable() -> errors.NotAcceptable:
    return errors.NotAcceptable(f"only the following media types are accepted: {', '.join(ALL)}")


def shape_refused(shape: str, found: str) -> errors.NotAcceptable:
    """PartialObjectMetadata is for one object, PartialObjectMetadataList for several."""
    return errors.NotAcceptable(f"you requested {shape}, but the requested object is {found}")


@lru_cache(maxsize=512)
def _clauses(header: str) -> list[_Clause]:
    """The clauses of an Accept header, the most wanted first."""
    clauses = []
    for part in header.split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        pairs = tuple((key.strip(), value.strip()) for key, _, value in (one.partition("=") for one in parameters))
        quality = next((value for key, value in pairs if key == "q"), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        clauses.append(_Clause(media_type.lower(), pairs, weight))
    return sorted(clauses, key=lambda clause: -clause.quality)
