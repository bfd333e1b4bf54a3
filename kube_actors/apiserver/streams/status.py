"""How a session ended, as the Status of the error channel. Kubernetes: kubelet/pkg/cri/streaming/remotecommand."""

from __future__ import annotations

from kube_actors.api import Obj, errors
from kube_actors.apiserver.failures import internal

SUCCESS: Obj = {"metadata": {}, "status": "Success"}


def of_exit(code: int) -> Obj:
    """The Status of an exit code."""
    if code == 0:
        return SUCCESS
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def of_error(error: errors.KubeActorsError) -> Obj:
    """The Status of a session that failed."""
    found = error if isinstance(error, errors.InternalError) and error.message.startswith("Internal") else None
    status = (found or internal(getattr(error, "message", str(error)))).status()
    return {key: value for key, value in status.items() if key not in ("kind", "apiVersion")}
