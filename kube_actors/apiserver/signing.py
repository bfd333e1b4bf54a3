"""The keys of service-account tokens as this server has them: who signs, who is accepted, for whom tokens are.

The files are looked at again once a minute, so that keys are exchanged without a restart: see `cluster/pki.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.api.errors import ConfigError
from kube_actors.api.tokens import LEGACY_ISSUER, KeyRing
from kube_actors.apiserver.config import ServiceAccountConfig

log = structlog.get_logger(__name__)

RELOAD_SECONDS = 60.0


class Signing:
    """Raises ConfigError where there is no key that signs."""

    def __init__(self, config: ServiceAccountConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._pems = tuple(config.keys())
        self.keys = KeyRing(self._pems)
        self.issuer = config.issuer
        self.issuers = (config.issuer, LEGACY_ISSUER)
        self.audiences = config.audiences or (config.issuer,)
        self.extended_seconds = config.extended_seconds

    async def follow(self, on_change: Callable[[], None]) -> None:
        """Take over changes of the keys, for ever."""
        while True:
            await self._clock.sleep(RELOAD_SECONDS)
            try:
                pems = tuple(self._config.keys())
                if pems != self._pems:
                    self.keys, self._pems = KeyRing(pems), pems
                    on_change()
                    log.info("service-account keys changed", keys=len(pems))
            except ConfigError as error:
                log.warning("the service-account keys cannot be read; those in use stay", reason=str(error))
