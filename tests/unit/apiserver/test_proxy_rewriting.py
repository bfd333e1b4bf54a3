"""Links of proxied pages: absolute paths lead through the proxy, all else stays byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.apiserver.rest.connect.rewriting import rewrite_html, rewriter

PREFIX = "/api/v1/namespaces/n/pods/p/proxy"
REWRITE = rewriter(PREFIX, frozenset(("10.0.0.1:80", "api.example")))


@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        ("/rewriteme", f"{PREFIX}/rewriteme"),
        ("/a/b/?x=/y#z", f"{PREFIX}/a/b/?x=/y#z"),
        ("/", f"{PREFIX}/"),
        ("http://10.0.0.1:80/in", f"{PREFIX}/in"),
        ("https://api.example/in", f"{PREFIX}/in"),
        (f"{PREFIX}/already", f"{PREFIX}/already"),
        ("relative", "relative"),
        ("#here", "#here"),
        ("http://elsewhere/x", "http://elsewhere/x"),
        ("mailto:a@b", "mailto:a@b"),
        ("http://[broken", "http://[broken"),
        ("", ""),
    ],
)
def test_links(link: str, wanted: str) -> None:
    assert REWRITE(link) == wanted


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ('<a href="/x">t</a>', f'<a href="{PREFIX}/x">t</a>'),
        ("<A class=c HREF='/x'>", f'<A class=c HREF="{PREFIX}/x">'),
        ("<img src=/x alt=/y>", f'<img src="{PREFIX}/x" alt=/y>'),
        ('<form action="/x"><input src="/y">', f'<form action="{PREFIX}/x"><input src="{PREFIX}/y">'),
        ('<p href="/x">', '<p href="/x">'),
        ('<a title="> href=/no " href="/x">', f'<a title="> href=/no " href="{PREFIX}/x">'),
        ('<!-- <a href="/x"> -->', '<!-- <a href="/x"> -->'),
        (
            '<script src="/x">"<a href=\'/y\'>"</script><a href="/z">',
            f'<script src="{PREFIX}/x">"<a href=\'/y\'>"</script><a href="{PREFIX}/z">',
        ),
        ("a < b && c > d", "a < b && c > d"),
    ],
)
def test_pages(page: str, wanted: str) -> None:
    assert rewrite_html(page.encode(), REWRITE).decode() == wanted


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_taken(page: bytes) -> None:
    assert isinstance(rewrite_html(page, REWRITE), bytes)


@pytest.mark.parametrize("text", [b"<a ", b"<!--", b"<script>", b'<a href="', b"<a href='/x", b"<a =", b'"', b"<"])
def test_a_page_without_ends_takes_no_longer_than_its_size(text: bytes) -> None:
    page = text * 200_000
    assert len(rewrite_html(page, REWRITE)) >= len(page)
