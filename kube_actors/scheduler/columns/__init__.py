"""Nodes as columns: one entry a node in every array, found by the node's row.

    Nodes ── rows (name <-> row) ── Resources (allocatable, requested) ── BitColumns (taints, host ports, images)
                                  └ LabelColumns (value ids of the labels that anybody asked for)

Rows are reused. Arrays are a little longer than there are nodes; `valid` says which entries are nodes
that exist. Kept current by `cache.py`; read by the plugins. No IO, no clock.
"""
