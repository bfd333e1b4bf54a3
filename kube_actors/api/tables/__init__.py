"""The server-side Tables that `kubectl get` prints: columns and cells of every kind.

`table_columns(resource)` and `table_row(resource, obj, now)` follow kube-apiserver's printers; a kind without
one of its own gets Name and Created At, as a custom resource without printer columns gets Name and Age.
"""

from kube_actors.api.tables.durations import duration_human, duration_short
from kube_actors.api.tables.engine import Column, table_columns, table_row, table_row_conditions

__all__ = ["Column", "duration_human", "duration_short", "table_columns", "table_row", "table_row_conditions"]
