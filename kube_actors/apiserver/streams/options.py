"""What exec and attach are asked for, checked. Kubernetes: PodExecOptions, kubelet's remotecommand.NewOptions."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.api import errors


@dataclass(frozen=True, slots=True)
class ExecOptions:
    """A PodExecOptions, or with no command a PodAttachOptions."""

    command: tuple[str, ...] = ()
    container: str = ""
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False

    def check(self) -> None:
        """Raises BadRequest."""
        if not (self.stdin or self.stdout or self.stderr):
            raise errors.BadRequest("you must specify at least 1 of stdin, stdout, stderr")

    @property
    def separate_stderr(self) -> bool:
        """A terminal has one output only."""
        return self.stderr and not self.tty
