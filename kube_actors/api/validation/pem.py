"""PEM blocks as fields hold them (base64 around PEM): requests and chains of certificates.

Each function answers what is wrong, as Go's packages word it where the fault is of the form; an empty text where
nothing is.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

REQUEST, CERTIFICATE = "CERTIFICATE REQUEST", "CERTIFICATE"
_BLOCK = re.compile(r"-----BEGIN ([^\n-]*)-----[ \t]*\r?\n(.*?)-----END \1-----", re.S)


@dataclass(frozen=True, slots=True)
class Block:
    kind: str
    data: bytes
    headers: bool


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a PEM text; what stands around them is passed over, as Go does."""
    for match in _BLOCK.finditer(text):
        lines = match[2].splitlines()
        headers = [line for line in lines if ":" in line]
        body = "".join(line.strip() for line in lines if ":" not in line)
        try:
            yield Block(match[1], base64.b64decode(body, validate=True), bool(headers))
        except binascii.Error:
            continue


def _text(value: str | None) -> str:
    return base64.b64decode(value or "").decode("utf-8", errors="replace")


def request_fault(value: str | None) -> str:
    """A request for a certificate, signed with the key that it is for."""
    first = next(blocks(_text(value)), None)
    if first is None or first.kind != REQUEST:
        return f"PEM block type must be {REQUEST}"
    try:
        request = x509.load_der_x509_csr(first.data)
        return "" if request.is_signature_valid else "x509: signature verification failed"
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        return f"x509: malformed certificate request: {error}"


def certificates_fault(value: str | None) -> str:
    """One certificate or more, and nothing else; no value is no fault."""
    if not value:
        return ""
    found = list(blocks(_text(value)))
    for block in found:
        if block.kind != CERTIFICATE:
            return f'only {CERTIFICATE} PEM blocks are allowed, found "{block.kind}"'
        if block.headers:
            return "no PEM block headers are permitted"
        try:
            x509.load_der_x509_certificate(block.data)
        except ValueError as error:
            return f"x509: malformed certificate: {error}"
    return "" if found else f"must contain at least one {CERTIFICATE} PEM block"
