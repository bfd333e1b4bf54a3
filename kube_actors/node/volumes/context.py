"""What a kind of volume may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.containers.references import References
from kube_actors.node.volumes.tmpfs import Tmpfs
from kube_actors.node.volumes.tokens import Tokens


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """`name` is the volume's, `path` where the volume's files shall be. `since`: see References."""

    pod: Obj
    name: str
    path: Path
    references: References
    tokens: Tokens
    tmpfs: Tmpfs
    node_allocatable: Mapping[str, str]
    since: float

    @property
    def namespace(self) -> str:
        return str(self.pod["metadata"]["namespace"])


# Makes or refreshes a volume of one kind from its source; answers the path to mount. Raises VolumeFailure.
SetUp = Callable[[VolumeContext, Obj], Awaitable[Path]]
