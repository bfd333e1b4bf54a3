"""The formats of strings that are checked, by name; others are taken as they are.

Kubernetes: k8s.io/kube-openapi/pkg/validation/strfmt, and apiextensions' list of supported formats.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

from kube_actors.api.validation import names

_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12}"
_ANY_VARIANT, _RFC_VARIANT = "[0-9a-f]", "[89ab]"
_DURATION = re.compile(
    r"([+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|[+-]?0|"
    r"(\d+\s*(nanoseconds?|nanos?|ns|microseconds?|micros?|us|µs|milliseconds?|millis?|ms|seconds?|secs?|s|"
    r"minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|wks?|w)\s*)+"
)
_DATE_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})([.,]\d+)?([Zz]|[+-]\d{2}:?\d{2})?", re.ASCII)
_HOSTNAME = re.compile(r"([a-zA-Z0-9¡-￿](-*[a-zA-Z0-9¡-￿])*)(\.[a-zA-Z0-9¡-￿](-*[a-zA-Z0-9¡-￿])*)*\.?")
_EMAIL = re.compile(r"[^@\s<>()\[\],;:\\\"]+@[^@\s<>()\[\],;:\\\"]+")
_MAC = re.compile(r"([0-9a-fA-F]{2}([:-])([0-9a-fA-F]{2}\2)*[0-9a-fA-F]{2})|([0-9a-fA-F]{4}\.)+[0-9a-fA-F]{4}")
_CARD = re.compile(
    r"(4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])"
    r"[0-9]{11}|(?:2131|1800|35\d{3})\d{11})",
    re.ASCII,
)
_RGB = re.compile(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)", re.ASCII)


def _matches(pattern: str | re.Pattern[str]) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.IGNORECASE | re.ASCII) if isinstance(pattern, str) else pattern
    return lambda text: compiled.fullmatch(text) is not None


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10


def _is_date_time(text: str) -> bool:
    match = _DATE_TIME.fullmatch(text)
    if match is None or not _is_date(match[1]):
        return False
    return int(match[2]) < 24 and int(match[3]) < 60 and int(match[4]) <= 60


def _is_ip(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return ipaddress.ip_address(text).version == version
        except ValueError:
            return False

    return check


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return "/" in text


def _is_uri(text: str) -> bool:
    """Go's url.ParseRequestURI."""
    if any(char <= " " or char == "\x7f" for char in text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _is_byte(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    if re.fullmatch(r"\d{9}[\dX]", digits, re.ASCII) is None:
        return False
    return sum((index + 1) * (10 if digit == "X" else int(digit)) for index, digit in enumerate(digits)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    if re.fullmatch(r"\d{13}", digits, re.ASCII) is None:
        return False
    return sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits)) % 10 == 0


def _is_hostname(text: str) -> bool:
    return len(text) <= 255 and _HOSTNAME.fullmatch(text) is not None and all(len(x) <= 63 for x in text.split("."))


FORMATS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(r"[0-9a-f]{24}"),
    "uri": _is_uri,
    "email": _matches(_EMAIL),
    "hostname": _is_hostname,
    "ipv4": _is_ip(4),
    "ipv6": _is_ip(6),
    "cidr": _is_cidr,
    "mac": _matches(_MAC),
    "uuid": _matches(_UUID % ("[0-9a-f]", _ANY_VARIANT)),
    "uuid3": _matches(_UUID % ("3", _ANY_VARIANT)),
    "uuid4": _matches(_UUID % ("4", _RFC_VARIANT)),
    "uuid5": _matches(_UUID % ("5", _RFC_VARIANT)),
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "creditcard": lambda text: _CARD.fullmatch(re.sub(r"\D", "", text)) is not None,
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "hexcolor": _matches(r"#?([0-9a-f]{3}|[0-9a-f]{6})"),
    "rgbcolor": lambda text: (match := _RGB.fullmatch(text)) is not None and all(int(x) < 256 for x in match.groups()),
    "byte": _is_byte,
    "date": _is_date,
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "date-time": _is_date_time,
    "datetime": _is_date_time,
    "k8s-short-name": lambda text: not list(names.dns_label(text)),
    "k8s-long-name": lambda text: not list(names.dns_subdomain(text)),
}


def fits(name: str, text: str) -> bool:
    """Whether the text has the format; one that nobody knows fits always."""
    check = FORMATS.get(name)
    return check is None or check(text)
