"""Options of Windows pods (validateWindowsSecurityContextOptions, validateWindowsHostProcessPod)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.settings import SETTINGS

_CREDENTIAL_KIB = 64
_DOMAIN_MAX, _USER_MAX = 256, 104
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NETBIOS = re.compile(r'[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}')
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_BAD_USER = re.compile(r'["/\\:;|=,\+\*\?<>@\[\]]')
_DOTS = re.compile(r"[\. ]+")


def windows_options(causes: Causes, options: Obj, path: str) -> None:
    """What a container or a pod says about Windows."""
    name, credential = options.get("gmsaCredentialSpecName"), options.get("gmsaCredentialSpec")
    if name is not None:
        causes.each_invalid(f"{path}.gmsaCredentialSpecName", name, names.dns_subdomain(name))
    if credential is not None:
        if not credential:
            text = "gmsaCredentialSpec cannot be an empty string"
            causes.invalid(f"{path}.gmsaCredentialSpec", credential, text)
        elif len(credential) > _CREDENTIAL_KIB * 1024:
            text = f"gmsaCredentialSpec size must be under {_CREDENTIAL_KIB} KiB"
            causes.invalid(f"{path}.gmsaCredentialSpec", credential, text)
    user = options.get("runAsUserName")
    if user is not None:
        causes.each_invalid(f"{path}.runAsUserName", user, _user_faults(user))


def _user_faults(text: str) -> Iterator[str]:
    """`user` or `DOMAIN\\user`."""
    if not text:
        yield "runAsUserName cannot be an empty string"
        return
    if _CONTROL.search(text):
        yield "runAsUserName cannot contain control characters"
        return
    if text.count("\\") > 1:
        yield "runAsUserName cannot contain more than one backslash"
        return
    domain, slash, user = text.rpartition("\\")
    if len(domain) >= _DOMAIN_MAX:
        yield f"runAsUserName's Domain length must be under {_DOMAIN_MAX} characters"
    if slash and not (_NETBIOS.fullmatch(domain) or _DNS.fullmatch(domain)):
        yield "runAsUserName's Domain doesn't match the NetBios nor the DNS format"
    if not user:
        yield "runAsUserName's User cannot be empty"
    elif len(user) > _USER_MAX:
        yield f"runAsUserName's User length must not be longer than {_USER_MAX} characters"
    if _DOTS.fullmatch(user):
        yield "runAsUserName's User cannot contain only periods or spaces"
    if _BAD_USER.search(user):
        yield "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def host_process(causes: Causes, spec: Obj, path: str) -> None:
    """Containers that are processes of the host: all of a pod or none, on the host's network."""
    whole = _host_process(spec)
    total = found = 0
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            own = _host_process(container)
            if whole is not None and own is not None and whole != own:
                text = f"pod hostProcess value must be identical if both are specified, was {str(whole).lower()}"
                where = f"{path}.{field}[{index}].securityContext.windowsOptions.hostProcess"
                causes.invalid(where, own, text)
            total += 1
            found += bool(whole if own is None else own)
    if not found:
        return
    if found != total:
        text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        causes.invalid(path, "", text)
    if not spec.get("hostNetwork"):
        text = "hostNetwork must be true if pod contains any hostProcess containers"
        causes.invalid(f"{path}.hostNetwork", False, text)
    if not SETTINGS.allow_privileged:
        causes.forbidden(path, "hostProcess containers are disallowed by cluster policy")


def _host_process(holder: Obj) -> bool | None:
    value: bool | None = ((holder.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    return value
