"""kactl exec and kactl attach."""

from __future__ import annotations

import argparse
import sys

from kube_actors.cluster import loop

from . import remote, session
from .failure import Failure, usage
from .scope import DEFAULT_NAMESPACE


def run(arguments: argparse.Namespace) -> int:
    return loop.run(execute(arguments))


async def execute(arguments: argparse.Namespace) -> int:
    """A command in a container, or without one its main process."""
    command = arguments.command
    if arguments.verb == "exec" and not command:
        raise usage("you must specify at least one command for the container, after --")
    terminal = arguments.tty and arguments.stdin and remote.is_terminal()
    if arguments.tty and not terminal:
        print("Unable to use a TTY - input is not a terminal or the right kind of file", file=sys.stderr)
    pod = arguments.pod.removeprefix("pod/").removeprefix("pods/")
    async with session.client(arguments) as client:
        conversation = await client.exec(
            arguments.namespace or DEFAULT_NAMESPACE,
            pod,
            command,
            container=arguments.container,
            stdin=arguments.stdin,
            tty=terminal,
        )
        code = await remote.converse(conversation, stdin=arguments.stdin, terminal=terminal)
    if code and command:
        raise Failure(f"command terminated with exit code {code}", code)
    return 0
