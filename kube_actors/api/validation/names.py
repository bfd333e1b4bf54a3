"""Checks of names, labels and qualified names, with the texts of apimachinery's util/validation.

Each function returns what is wrong, an empty list where nothing is.
"""

from __future__ import annotations

import re
from functools import lru_cache

LABEL_MAX, SUBDOMAIN_MAX, QUALIFIED_NAME_MAX, LABEL_VALUE_MAX, PORT_NAME_MAX = 63, 253, 63, 63, 15

_LABEL_FORMAT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035_FORMAT = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_FORMAT = rf"{_LABEL_FORMAT}(\.{_LABEL_FORMAT})*"
_UNDERSCORED_FORMAT = r"[a-z0-9_]([-_a-z0-9]*[a-z0-9_])?(\.[a-z0-9_]([-_a-z0-9]*[a-z0-9_])?)*"
_QUALIFIED_FORMAT = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE_FORMAT = f"({_QUALIFIED_FORMAT})?"
_CONFIG_KEY_FORMAT = "[-._a-zA-Z0-9]+"
_C_IDENTIFIER_FORMAT = "[A-Za-z_][A-Za-z0-9_]*"
_PATH_SEGMENT_BAD = ("/", "%")

_LABEL = re.compile(_LABEL_FORMAT)
_LABEL_1035 = re.compile(_LABEL_1035_FORMAT)
_SUBDOMAIN = re.compile(_SUBDOMAIN_FORMAT)
_UNDERSCORED = re.compile(_UNDERSCORED_FORMAT)
_QUALIFIED = re.compile(_QUALIFIED_FORMAT)
_LABEL_VALUE = re.compile(_LABEL_VALUE_FORMAT)
_CONFIG_KEY = re.compile(_CONFIG_KEY_FORMAT)
_C_IDENTIFIER = re.compile(_C_IDENTIFIER_FORMAT)
_HEADER = re.compile("[-A-Za-z0-9]+")
_PORT_NAME = re.compile("[-a-z0-9]+")
_LETTER = re.compile("[a-z]")

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_UNDERSCORED_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_QUALIFIED_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_CONFIG_KEY_TEXT = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_C_IDENTIFIER_TEXT = (
    "a valid C identifier must start with alphabetic character or '_', "
    "followed by a string of alphanumeric characters or '_'"
)


def regex_error(text: str, pattern: str, *examples: str) -> str:
    """`text (e.g. 'a',  or 'b', regex used for validation is 'p')`."""
    if not examples:
        return f"{text} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {shown}regex used for validation is '{pattern}')"


def max_length(length: int) -> str:
    return f"must be no more than {length} characters"


@lru_cache(maxsize=16384)
def dns_label(value: str) -> tuple[str, ...]:
    """An RFC 1123 label."""
    errors = [max_length(LABEL_MAX)] if len(value) > LABEL_MAX else []
    if not _LABEL.fullmatch(value):
        if _SUBDOMAIN.fullmatch(value):
            errors.append("must not contain dots")
        else:
            errors.append(regex_error(_LABEL_TEXT, _LABEL_FORMAT, "my-name", "123-abc"))
    return tuple(errors)


@lru_cache(maxsize=4096)
def dns_label_1035(value: str) -> tuple[str, ...]:
    """A label that starts with a letter."""
    errors = [max_length(LABEL_MAX)] if len(value) > LABEL_MAX else []
    if not _LABEL_1035.fullmatch(value):
        errors.append(regex_error(_LABEL_1035_TEXT, _LABEL_1035_FORMAT, "my-name", "abc-123"))
    return tuple(errors)


@lru_cache(maxsize=65536)
def dns_subdomain(value: str) -> tuple[str, ...]:
    """An RFC 1123 subdomain: the name of most objects."""
    errors = [max_length(SUBDOMAIN_MAX)] if len(value) > SUBDOMAIN_MAX else []
    if not _SUBDOMAIN.fullmatch(value):
        errors.append(regex_error(_SUBDOMAIN_TEXT, _SUBDOMAIN_FORMAT, "example.com"))
    return tuple(errors)


@lru_cache(maxsize=4096)
def subdomain_with_underscores(value: str) -> tuple[str, ...]:
    """A subdomain as resolvers search it: SRV records have underscores."""
    errors = [max_length(SUBDOMAIN_MAX)] if len(value) > SUBDOMAIN_MAX else []
    if not _UNDERSCORED.fullmatch(value):
        errors.append(regex_error(_UNDERSCORED_TEXT, _UNDERSCORED_FORMAT, "example.com"))
    return tuple(errors)


@lru_cache(maxsize=4096)
def wildcard_subdomain(value: str) -> tuple[str, ...]:
    """A subdomain whose first label may be `*`."""
    if value.startswith("*.") and _SUBDOMAIN.fullmatch(value[2:]):
        return (max_length(SUBDOMAIN_MAX),) if len(value) > SUBDOMAIN_MAX else ()
    text = (
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
        "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
    )
    return (regex_error(text, rf"\*\.{_SUBDOMAIN_FORMAT}", "*.example.com"),)


@lru_cache(maxsize=65536)
def qualified_name(value: str) -> tuple[str, ...]:
    """`prefix/name` or `name`: the key of a label."""
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        text = "a qualified name " + _QUALIFIED_TEXT
        return (
            regex_error(text, _QUALIFIED_FORMAT, "MyName", "my.name", "123-abc")
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        )
    errors: list[str] = []
    if slash and not prefix:
        errors.append("prefix part must be non-empty")
    elif slash:
        errors.extend(f"prefix part {error}" for error in dns_subdomain(prefix))
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > QUALIFIED_NAME_MAX:
        errors.append(f"name part must be no more than {QUALIFIED_NAME_MAX} bytes")
    if not _QUALIFIED.fullmatch(name):
        errors.append("name part " + regex_error(_QUALIFIED_TEXT, _QUALIFIED_FORMAT, "MyName", "my.name", "123-abc"))
    return tuple(errors)


@lru_cache(maxsize=65536)
def label_value(value: str) -> tuple[str, ...]:
    errors = [f"must be no more than {LABEL_VALUE_MAX} bytes"] if len(value) > LABEL_VALUE_MAX else []
    if not _LABEL_VALUE.fullmatch(value):
        errors.append(regex_error(_LABEL_VALUE_TEXT, _LABEL_VALUE_FORMAT, "MyValue", "my_value", "12345"))
    return tuple(errors)


@lru_cache(maxsize=4096)
def config_key(value: str) -> tuple[str, ...]:
    """A key of a ConfigMap or Secret."""
    errors = [max_length(SUBDOMAIN_MAX)] if len(value) > SUBDOMAIN_MAX else []
    if not _CONFIG_KEY.fullmatch(value):
        errors.append(regex_error(_CONFIG_KEY_TEXT, _CONFIG_KEY_FORMAT, "key.name", "KEY_NAME", "key-name"))
    return tuple(errors) + _not_dots(value)


def c_identifier(value: str) -> tuple[str, ...]:
    if _C_IDENTIFIER.fullmatch(value):
        return ()
    return (regex_error(_C_IDENTIFIER_TEXT, _C_IDENTIFIER_FORMAT, "my_name", "MY_NAME", "MyName"),)


@lru_cache(maxsize=4096)
def env_var_name(value: str) -> tuple[str, ...]:
    """Any printable ASCII but `=`, as Kubernetes allows since relaxed validation is on."""
    if not value:
        return ("environment variable name must not be empty",)
    if all(" " <= char <= "~" and char != "=" for char in value):
        return ()
    return (
        regex_error(
            "a valid environment variable name must consist only of printable ASCII characters other than '='",
            "[ -<>-~]+",
            "my-name",
            "MY.NAME",
            "MyName",
        ),
    )


def http_header(value: str) -> tuple[str, ...]:
    """The name of a header of HTTP."""
    if _HEADER.fullmatch(value):
        return ()
    text = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return (regex_error(text, _HEADER.pattern, "X-Header-Name"),)


@lru_cache(maxsize=4096)
def port_name(value: str) -> tuple[str, ...]:
    """An IANA service name."""
    errors = []
    if len(value) > PORT_NAME_MAX:
        errors.append(f"must be no more than {PORT_NAME_MAX} characters")
    if not _PORT_NAME.fullmatch(value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _LETTER.search(value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        errors.append("must not begin or end with a hyphen")
    return tuple(errors)


def port_number(value: int) -> tuple[str, ...]:
    return () if 1 <= value <= 65535 else ("must be between 1 and 65535, inclusive",)


def path_segment(value: str) -> tuple[str, ...]:
    """A name that only has to fit into a URL path: RBAC's, among others."""
    if value in (".", ".."):
        return (f"may not be '{value}'",)
    return tuple(f"may not contain '{bad}'" for bad in _PATH_SEGMENT_BAD if bad in value)


def domain_prefixed_path(value: str) -> tuple[str, ...]:
    """`example.com/path`, as a signer or a finalizer name."""
    host, slash, path = value.partition("/")
    if not slash or not host or not path:
        return ('must be a domain-prefixed path (such as "acme.io/foo")',)
    return tuple(f"prefix part {error}" for error in dns_subdomain(host))


def _not_dots(value: str) -> tuple[str, ...]:
    if value == ".":
        return ("must not be '.'",)
    if value == "..":
        return ("must not be '..'",)
    if value.startswith(".."):
        return ("must not start with '..'",)
    return ()
