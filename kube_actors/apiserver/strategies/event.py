"""Events: they live for an hour after their last write."""

from __future__ import annotations

from kube_actors.apiserver.strategies.base import Strategy


class EventStrategy(Strategy):
    ttl_seconds = 3600
