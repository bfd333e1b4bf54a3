"""What a kind of volume may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.references import References
from kube_actors.node.volumes.tokens import Tokens


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """`path` is where the volume's files shall be. `since`: see References."""

    pod: Obj
    path: Path
    references: References
    tokens: Tokens
    node_allocatable: Mapping[str, str]
    since: float

    @property
    def namespace(self) -> str:
        return str(self.pod["metadata"]["namespace"])

    @property
    def group(self) -> int | None:
        """The pod's fsGroup."""
        group = (self.pod["spec"].get("securityContext") or {}).get("fsGroup")
        return None if group is None else int(group)


# Makes or refreshes a volume of one kind from its source; answers the path to mount. Raises VolumeFailure.
SetUp = Callable[[VolumeContext, Obj], Awaitable[Path]]
