"""Names of signers: `example.com/name`."""

from __future__ import annotations

from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes

LEGACY_UNKNOWN = "kubernetes.io/legacy-unknown"
# The path has to leave room for a label and a dot before the name of an object.
_PATH_MAX = names.SUBDOMAIN_MAX + names.LABEL_MAX + 1


def signer_name(causes: Causes, field: str, name: str) -> None:
    """A domain of two labels at least, and a path of labels (ValidateSignerName)."""
    if not name:
        causes.required(field)
        return
    parts = name.split("/")
    if len(parts) != 2:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        causes.invalid(field, name, text)
        return
    domain, path = parts
    if len(domain) > names.SUBDOMAIN_MAX:
        causes.too_long(field, names.SUBDOMAIN_MAX)
    labels = domain.split(".")
    if len(labels) < 2:
        causes.invalid(field, domain, "should be a domain with at least two segments separated by dots")
    for label in labels:
        causes.each_invalid(field, domain, (f'validating label "{label}": {fault}' for fault in names.dns_label(label)))
    for label in path.split("."):
        faults = (f'validating label "{label}": {fault}' for fault in names.dns_subdomain(label))
        causes.each_invalid(field, path, faults)
    if len(path) > _PATH_MAX:
        causes.too_long(field, _PATH_MAX)
