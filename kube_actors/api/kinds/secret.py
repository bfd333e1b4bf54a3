"""Secret: bytes by key, with keys that its type asks for."""

from __future__ import annotations

import base64
import json

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import data, names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

_ACCOUNT = "kubernetes.io/service-account.name"
_DOCKER_KEYS = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


def _defaults(obj: Obj) -> None:
    """The type; stringData goes into data, encoded: it is never stored, shown or owned."""
    obj.setdefault("type", "Opaque")
    strings: dict[str, str] | None = obj.pop("stringData", None)
    if strings:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in strings.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _prepare_update(new: Obj, old: Obj) -> None:
    new["type"] = new.get("type") or old.get("type", "")


def _create(causes: Causes, obj: Obj) -> None:
    content = obj.get("data") or {}
    for key in content:
        causes.each_invalid(f"data[{key}]", key, names.config_key(key))
    if sum(map(data.decoded_size, content.values())) > data.MAX_BYTES:
        causes.too_long("data", data.MAX_BYTES)
    _keys_of_type(causes, obj, content)


def _keys_of_type(causes: Causes, obj: Obj, content: dict[str, str]) -> None:
    kind = obj.get("type", "")
    if kind == "kubernetes.io/service-account-token":
        if not (obj["metadata"].get("annotations") or {}).get(_ACCOUNT):
            causes.required(f"metadata.annotations[{_ACCOUNT}]")
    elif kind in _DOCKER_KEYS:
        _docker_config(causes, _DOCKER_KEYS[kind], content)
    elif kind == "kubernetes.io/basic-auth":
        if "username" not in content and "password" not in content:
            causes.required("data[username]")
            causes.required("data[password]")
    elif kind == "kubernetes.io/ssh-auth":
        if not content.get("ssh-privatekey"):
            causes.required("data[ssh-privatekey]")
    elif kind == "kubernetes.io/tls":
        for key in ("tls.crt", "tls.key"):
            if key not in content:
                causes.required(f"data[{key}]")


def _docker_config(causes: Causes, key: str, content: dict[str, str]) -> None:
    from kube_actors.api.decode import DecodeError, parse

    if key not in content:
        causes.required(f"data[{key}]")
        return
    text = base64.b64decode(content[key])
    try:
        json.loads(text)
    except ValueError:
        try:
            parse(text)
        except DecodeError as error:
            causes.invalid(f"data[{key}]", "<secret contents redacted>", str(error))


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    causes.immutable("type", new.get("type", ""), old.get("type", ""))
    data.immutable(causes, new, old, ("data",))
    _create(causes, new)


KIND = Kind(
    rules=Rules(create=_create, update=_update),
    defaults=_defaults,
    prepare_update=_prepare_update,
)
