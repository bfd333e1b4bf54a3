"""Webhooks of both kinds (pkg/apis/admissionregistration/validation, k8s.io/apiserver's util/webhook)."""

from __future__ import annotations

from urllib.parse import urlsplit

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.matching import FAILURE_POLICIES, MATCH_POLICIES, match_conditions, rule
from kube_actors.api.validation.metadata import label_selector

_HTTPS = 443
_REINVOCATION = ("IfNeeded", "Never")
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_REVIEW_VERSIONS = ("v1", "v1beta1")
_URL_FORM = "; desired format: https://host[/path]"


def defaults(obj: Obj) -> None:
    """Of the webhooks of either kind."""
    for webhook in obj.get("webhooks") or ():
        webhook.setdefault("failurePolicy", "Fail")
        webhook.setdefault("matchPolicy", "Equivalent")
        webhook.setdefault("namespaceSelector", {})
        webhook.setdefault("objectSelector", {})
        webhook.setdefault("timeoutSeconds", 10)
        for one in webhook.get("rules") or ():
            one.setdefault("scope", "*")
        service = webhook.get("clientConfig", {}).get("service")
        if service is not None:
            service.setdefault("port", _HTTPS)


def webhooks(causes: Causes, items: list[Obj], *, mutating: bool, kept_conditions: bool = False) -> None:
    """`kept_conditions`: the match conditions are as they were, and need no new look."""
    seen: set[str] = set()
    for index, webhook in enumerate(items):
        path, name = f"webhooks[{index}]", webhook.get("name", "")
        _webhook(causes, webhook, path, mutating)
        if not kept_conditions:
            match_conditions(causes, webhook.get("matchConditions") or [], f"{path}.matchConditions", params=False)
        _review_versions(causes, webhook.get("admissionReviewVersions") or [], f"{path}.admissionReviewVersions")
        if name and name in seen:
            causes.duplicate(f"{path}.name", name)
        seen.add(name)


def _webhook(causes: Causes, webhook: Obj, path: str, mutating: bool) -> None:
    _qualified(causes, webhook.get("name", ""), f"{path}.name")
    for index, one in enumerate(webhook.get("rules") or ()):
        rule(causes, one, f"{path}.rules[{index}]")
    for field, allowed in (("failurePolicy", FAILURE_POLICIES), ("matchPolicy", MATCH_POLICIES)):
        if field in webhook and webhook[field] not in allowed:
            causes.unsupported(f"{path}.{field}", webhook[field], allowed)
    effects = webhook.get("sideEffects")
    if not effects:
        causes.required(f"{path}.sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}")
    elif effects not in _SIDE_EFFECTS:
        causes.unsupported(f"{path}.sideEffects", effects, _SIDE_EFFECTS)
    seconds = webhook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        causes.invalid(f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds")
    for field in ("namespaceSelector", "objectSelector"):
        label_selector(causes, webhook.get(field) or {}, f"{path}.{field}")
    reinvocation = webhook.get("reinvocationPolicy")
    if mutating and reinvocation is not None and reinvocation not in _REINVOCATION:
        causes.unsupported(f"{path}.reinvocationPolicy", reinvocation, _REINVOCATION)
    _client(causes, webhook.get("clientConfig") or {}, f"{path}.clientConfig")


def _qualified(causes: Causes, name: str, path: str) -> None:
    if not name:
        causes.required(path)
        return
    faults = names.dns_subdomain(name)
    if faults:
        causes.invalid(path, name, ",".join(faults))
    elif len(name.split(".")) < 3:
        causes.invalid(path, name, "should be a domain with at least three segments separated by dots")


def _client(causes: Causes, client: Obj, path: str) -> None:
    if ("url" in client) == ("service" in client):
        causes.required(path, "exactly one of url or service is required")
    elif "url" in client:
        client_url(causes, client["url"], f"{path}.url")
    else:
        client_service(causes, client["service"], f"{path}.service")


def client_url(causes: Causes, text: str, path: str) -> None:
    """Where a webhook is reached: https, a host and a path, nothing else."""
    try:
        url = urlsplit(text)
    except ValueError as error:
        causes.required(path, f"url must be a valid URL: {error}{_URL_FORM}")
        return
    if url.scheme != "https":
        causes.invalid(path, url.scheme, f"'https' is the only allowed URL scheme{_URL_FORM}")
    if not url.netloc:
        causes.invalid(path, url.netloc, f"host must be specified{_URL_FORM}")
    if url.username is not None:
        causes.invalid(path, url.netloc.rpartition("@")[0], "user information is not permitted in the URL")
    if url.fragment:
        causes.invalid(path, url.fragment, "fragments are not permitted in the URL")
    if url.query:
        causes.invalid(path, url.query, "query parameters are not permitted in the URL")


def client_service(causes: Causes, service: Obj, path: str) -> None:
    """The Service behind which a webhook is."""
    for field in ("name", "namespace"):
        if not service.get(field):
            causes.required(f"{path}.{field}", f"service {field} is required")
    port = service.get("port", _HTTPS)
    faults = names.port_number(port)
    if faults:
        causes.invalid(f"{path}.port", port, f"port is not valid: {','.join(faults)}")
    where = service.get("path")
    if where is None:
        return
    field = f"{path}.path"
    if where == "/":
        return
    if not where.startswith("/"):
        causes.invalid(field, where, "must start with a '/'")
    if where == "//" or "//" in where[1:-1]:
        causes.invalid(field, where, "segment[0] may not be empty")
        return
    for index, segment in enumerate(where.strip("/").split("/")):
        faults = names.dns_subdomain(segment)
        causes.each_invalid(field, where, (f"segment[{index}]: {fault}" for fault in faults))


def _review_versions(causes: Causes, versions: list[str], path: str) -> None:
    accepted = ", ".join(_REVIEW_VERSIONS)
    if not versions:
        causes.required(path, f"must specify one of {accepted}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            causes.invalid(f"{path}[{index}]", version, "duplicate version")
        else:
            causes.each_invalid(f"{path}[{index}]", version, names.dns_label_1035(version))
    if not any(version in _REVIEW_VERSIONS for version in versions):
        causes.invalid(path, versions, f"must include at least one of {accepted}")


def conditions_of(obj: Obj) -> list[object]:
    """The match conditions of all webhooks, to see whether an update changes them."""
    return [webhook.get("matchConditions") for webhook in obj.get("webhooks") or ()]
