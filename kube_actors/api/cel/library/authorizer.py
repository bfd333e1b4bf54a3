"""`authorizer`: expressions of admission ask whether the user may do something.

    authorizer.group('apps').resource('deployments').namespace('a').check('create').allowed()
    authorizer.path('/healthz').check('get').allowed()
    authorizer.serviceAccount('ns', 'name').requestResource.check('delete').reason()

Who answers is set around an evaluation by `authorizing`: the library itself knows nobody's rights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from kube_actors.api.cel.library.functions import Function, FunctionError, tagged, value_of

# What is asked about, and the verb, to: allowed, and why.
Ask = Callable[[Mapping[str, Any], str], tuple[bool, str]]

_ask: ContextVar[Ask] = ContextVar("authorizer")


@contextmanager
def authorizing(ask: Ask) -> Iterator[None]:
    """Within the block, expressions ask `ask`."""
    token = _ask.set(ask)
    try:
        yield
    finally:
        _ask.reset(token)


def authorizer_value(own: Mapping[str, str]) -> dict[str, Any]:
    """The variable `authorizer`; `own` is what its requestResource is about."""
    return {**tagged("Authorizer", {}), "requestResource": tagged("ResourceCheck", dict(own)), "own": dict(own)}


def _with(kind: str, field: str) -> Callable[..., Any]:
    def narrowed(held: Any, text: str) -> Any:
        return tagged(kind, {**value_of(held), field: text})

    return narrowed


def _service_account(held: Any, namespace: str, name: str) -> Any:
    account = {"serviceAccount": [namespace, name]}
    own = tagged("ResourceCheck", {**held["own"], **account})
    return {**tagged("Authorizer", account), "requestResource": own, "own": held["own"]}


def _selector(held: Any, selector: str) -> Any:
    return held


def _check(held: Any, verb: str) -> Any:
    ask = _ask.get(None)
    if ask is None:
        raise FunctionError("there is no authorizer to ask here")
    allowed, reason = ask(value_of(held), verb)
    return tagged("Decision", {"allowed": allowed, "reason": reason})


def _decision(field: str) -> Callable[..., Any]:
    def read(held: Any) -> Any:
        return value_of(held)[field]

    return read


def _nothing(value: Any) -> Callable[..., Any]:
    return lambda held: value


FUNCTIONS = (
    Function("path", ("Authorizer", "string"), "PathCheck", _with("PathCheck", "path")),
    Function("group", ("Authorizer", "string"), "GroupCheck", _with("GroupCheck", "group")),
    Function("serviceAccount", ("Authorizer", "string", "string"), "Authorizer", _service_account),
    Function("resource", ("GroupCheck", "string"), "ResourceCheck", _with("ResourceCheck", "resource")),
    Function("subresource", ("ResourceCheck", "string"), "ResourceCheck", _with("ResourceCheck", "subresource")),
    Function("namespace", ("ResourceCheck", "string"), "ResourceCheck", _with("ResourceCheck", "namespace")),
    Function("name", ("ResourceCheck", "string"), "ResourceCheck", _with("ResourceCheck", "name")),
    Function("fieldSelector", ("ResourceCheck", "string"), "ResourceCheck", _selector),
    Function("labelSelector", ("ResourceCheck", "string"), "ResourceCheck", _selector),
    Function("check", ("ResourceCheck", "string"), "Decision", _check),
    Function("check", ("PathCheck", "string"), "Decision", _check),
    Function("allowed", ("Decision",), "bool", _decision("allowed")),
    Function("reason", ("Decision",), "string", _decision("reason")),
    Function("errored", ("Decision",), "bool", _nothing(False)),
    Function("error", ("Decision",), "string", _nothing("")),
)
