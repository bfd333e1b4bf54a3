"""How a policy's no is answered. Kubernetes: admission.NewForbidden with the policy's own reason and code."""

from __future__ import annotations

from kube_actors.api import errors
from kube_actors.api.errors import Cause
from kube_actors.apiserver.admission.chain import Attributes

CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, "Invalid": 422}


def denial(attributes: Attributes, message: str, reason: str) -> errors.ApiError:
    """The text says "is forbidden" whatever the reason is."""
    refusal = attributes.forbidden(message)
    refusal.causes = (Cause("", message),)
    status = refusal.status()
    status["details"]["causes"] = [{"message": message}]
    return errors.from_status({**status, "reason": reason, "code": CODES.get(reason, 422)})
