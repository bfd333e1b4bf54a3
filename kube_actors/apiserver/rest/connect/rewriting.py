"""Links in what a proxied server answers, so that they lead through the proxy. Pure.

Kubernetes: apimachinery/pkg/util/proxy/transport.go. Absolute paths get the proxy's path in front; relative links and
other hosts stay as they are. Text in comments, scripts and styles is not looked at.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

_LINKS = {
    "a": "href",
    "applet": "codebase",
    "area": "href",
    "audio": "src",
    "base": "href",
    "blockquote": "cite",
    "body": "background",
    "button": "formaction",
    "command": "icon",
    "del": "cite",
    "embed": "src",
    "form": "action",
    "frame": "longdesc|src",
    "head": "profile",
    "html": "manifest",
    "iframe": "longdesc|src",
    "img": "longdesc|src|usemap",
    "input": "formaction|src|usemap",
    "ins": "cite",
    "link": "href",
    "object": "classid|codebase|data|usemap",
    "q": "cite",
    "script": "src",
    "source": "src",
    "video": "poster|src",
}
# A start tag, whose quoted values may hold any character; without a way back, so that it takes linear time.
_TAG = re.compile(rb"""<([a-zA-Z]+)((?:[^>"']|"[^"]*+"|'[^']*+')*+)>""")
_ATTRIBUTE = re.compile(rb"""([^\s"'>/=]++)(\s*+=\s*+)(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""")
_OPAQUE = frozenset((b"script", b"style"))

Rewrite = Callable[[str], str]


def rewriter(prefix: str, hosts: frozenset[str]) -> Rewrite:
    """From a link to the link through the proxy at `prefix`; `hosts` are the names of the proxied server."""

    def rewrite(link: str) -> str:
        try:
            parts = urlsplit(link)
        except ValueError:
            return link
        if (parts.netloc and parts.netloc not in hosts) or not parts.path.startswith("/"):
            return link
        path = parts.path
        if not path.startswith(prefix):
            path = posixpath.join(prefix, posixpath.normpath(path).lstrip("/")) if path.strip("/") else prefix
            path = f"{path.rstrip('/')}/" if parts.path.endswith("/") else path
        return urlunsplit(("", "", path, parts.query, parts.fragment))

    return rewrite


def rewrite_html(page: bytes, rewrite: Rewrite) -> bytes:
    """The page with its links rewritten, all else byte by byte as it was."""
    pieces: list[bytes] = []
    done = 0
    while (begin := page.find(b"<", done)) >= 0:
        pieces.append(page[done:begin])
        piece, end = _markup(page, begin, rewrite)
        pieces.append(piece)
        done = end
    return b"".join((*pieces, page[done:]))


def _markup(page: bytes, begin: int, rewrite: Rewrite) -> tuple[bytes, int]:
    """What stands at a "<", rewritten, and where it ends. What has no end is the rest of the page."""
    if page.startswith(b"<!--", begin):
        end = _after(page, b"-->", begin)
        return page[begin:end], end
    if not page[begin + 1 : begin + 2].isalpha():
        return b"<", begin + 1
    tag = _TAG.match(page, begin)
    if tag is None:
        return page[begin:], len(page)
    name, end = tag[1].lower(), tag.end()
    whole = b"<" + tag[1] + _attributes(name, tag[2], rewrite) + b">"
    if name in _OPAQUE:
        close = re.compile(rb"</" + name, re.IGNORECASE).search(page, end)
        stop = close.start() if close is not None else len(page)
        return whole + page[end:stop], stop
    return whole, end


def _attributes(tag: bytes, text: bytes, rewrite: Rewrite) -> bytes:
    wanted = _LINKS.get(tag.decode(), "").split("|")

    def value(match: re.Match[bytes]) -> bytes:
        if match[1].decode("utf-8", "replace").lower() not in wanted:
            return match[0]
        found = next(each for each in match.groups()[2:] if each is not None)
        link = rewrite(found.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return match[1] + match[2] + b'"' + link + b'"'

    return _ATTRIBUTE.sub(value, text)


def _after(page: bytes, text: bytes, begin: int) -> int:
    found = page.find(text, begin)
    return len(page) if found < 0 else found + len(text)
