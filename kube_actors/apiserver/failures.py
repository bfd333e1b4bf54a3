"""Failures of the store as clients of the API see them. Edges map by this alone."""

from __future__ import annotations

from kube_actors.api import errors
from kube_actors.store import errors as store


def as_api_error(error: errors.KubeActorsError) -> errors.ApiError:
    """The refusal that stands for any failure."""
    if isinstance(error, errors.ApiError):
        return error
    if isinstance(error, store.StoreUnavailable):
        return errors.Unavailable(f"the store cannot be reached: {error}", retry_after=1)
    if isinstance(error, store.RequestTooLarge):
        return errors.TooLarge(str(error))
    if isinstance(error, store.TooManyRequests):
        return errors.TooManyRequests(str(error), retry_after=1)
    return internal(str(error))


def internal(text: str) -> errors.InternalError:
    """apimachinery's NewInternalError: the text twice, with a prefix and as a cause."""
    error = errors.InternalError(f"Internal error occurred: {text}")
    return errors.InternalError(error.message, status={**error.status(), "details": {"causes": [{"message": text}]}})
