"""The array types of this package, and how arrays grow."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
# Row numbers, or a slice of them: an index that selects nodes from a column.
Rows: TypeAlias = "slice | npt.NDArray[np.intp]"

A = TypeVar("A", bound=npt.NDArray[Any])


def grown(array: A, length: int, fill: int = 0) -> A:
    """A copy whose last axis has `length` entries, the new ones `fill`."""
    shape = (*array.shape[:-1], length)
    bigger = np.full(shape, fill, dtype=array.dtype)
    bigger[..., : array.shape[-1]] = array
    return bigger  # type: ignore[return-value]


def one_more(array: A, fill: int = 0) -> A:
    """A copy with one more row on the first axis."""
    extra = np.full((1, *array.shape[1:]), fill, dtype=array.dtype)
    return np.concatenate([array, extra])  # type: ignore[return-value]
