"""Failures as kubectl words them, in one line."""

from __future__ import annotations

import json
import ssl
from typing import Any

from kube_actors.api.errors import ApiError, ConfigError, Invalid, KubeActorsError

NO_CLUSTER = "no cluster is running here; start one with 'kactl up'"


class Failure(Exception):
    """Ends the command: the line is printed as it is, the process exits with the code."""

    def __init__(self, line: str, code: int = 1) -> None:
        super().__init__(line)
        self.line = line
        self.code = code


def usage(problem: str) -> Failure:
    """kubectl's form of a client-side error."""
    return Failure(f"error: {problem}")


def line_of(error: BaseException, doing: str = "") -> str:
    """One line for any failure that is not a programming error. `doing`: `when creating "a.yaml"`."""
    if isinstance(error, Failure):
        return error.line
    if isinstance(error, ApiError):
        return one_line(_api_error(error, doing))
    if isinstance(error, ConfigError):
        return one_line(f"error: {error}")
    # RpcError, StoreError and whatever else is raised on purpose.
    return one_line(f"error: {error}" if isinstance(error, KubeActorsError) else f"error: {_system(error)}")


def one_line(text: str) -> str:
    """Kubernetes' texts may have several lines; a failure here has one."""
    return " ".join(part.strip() for part in text.splitlines() if part.strip())


def _api_error(error: ApiError, doing: str) -> str:
    if isinstance(error, Invalid):
        found = _invalid(error)
        if found:
            return found
    message = f"error {doing}: {error.message}" if doing else error.message
    return f"Error from server ({error.reason}): {message}" if error.reason else f"Error from server: {message}"


def _invalid(error: Invalid) -> str:
    """`The Deployment "web" is invalid: spec.replicas: Invalid value: ...`, as kubectl says it."""
    details: dict[str, Any] = error.status().get("details") or {}
    causes = details.get("causes") or ()
    if not causes or not details.get("kind"):
        return ""
    texts = [f"{cause['field']}: {cause['message']}" if cause.get("field") else cause["message"] for cause in causes]
    text = texts[0] if len(texts) == 1 else "; ".join(f"* {each}" for each in texts)
    return f'The {details["kind"]} "{details.get("name", "")}" is invalid: {text}'


def _system(error: BaseException) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error}"
    return str(error) or type(error).__name__
