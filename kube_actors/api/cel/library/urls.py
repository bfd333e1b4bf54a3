"""url and isURL, and what a URL consists of (k8s.io/apiserver/pkg/cel/library/urls.go)."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from kube_actors.api.cel.library.functions import Function, FunctionError, tagged, value_of


def _parse(text: str) -> SplitResult:
    """Go's url.ParseRequestURI: absolute, or a path from the root."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise FunctionError(f"URL parse error during conversion from string: {error}") from error
    if not (parts.scheme or text.startswith("/")) or any(char <= " " or char == "\x7f" for char in text):
        raise FunctionError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    return parts


def _url(text: str) -> dict[str, Any]:
    _parse(text)
    return tagged("URL", text)


def _is_url(text: str) -> bool:
    try:
        _parse(text)
    except FunctionError:
        return False
    return True


def _parts(held: Any) -> SplitResult:
    return urlsplit(str(value_of(held)))


def _host(held: Any) -> str:
    return _parts(held).netloc.rpartition("@")[2]


def _hostname(held: Any) -> str:
    host = _host(held)
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _port(held: Any) -> str:
    port = _parts(held).port
    return "" if port is None else str(port)


FUNCTIONS = (
    Function("url", ("string",), "URL", _url, member=False),
    Function("isURL", ("string",), "bool", _is_url, member=False),
    Function("getScheme", ("URL",), "string", lambda held: _parts(held).scheme),
    Function("getHost", ("URL",), "string", _host),
    Function("getHostname", ("URL",), "string", _hostname),
    Function("getPort", ("URL",), "string", _port),
    Function("getEscapedPath", ("URL",), "string", lambda held: quote(_parts(held).path, safe="/%:@!$&'()*+,;=~")),
    Function("getQuery", ("URL",), "dyn", lambda held: parse_qs(_parts(held).query, keep_blank_values=True)),
)
