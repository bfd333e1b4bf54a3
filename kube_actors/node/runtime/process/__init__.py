"""Pods as plain processes: no Docker, no root.

    create_container  config.json in a folder of the container
    start_container   a supervisor (shim/) that goes into the background, starts the command and writes down its end
    list_pods         what the folders tell; a process is known by pid and start time, so that no other is ever meant
    changes           a descriptor of each supervisor in the event loop: nothing is polled while containers run

Where the machine allows it (root, or user namespaces), a container sees its volumes at their paths and a root of its
own if its image is a folder or a tar; other images are ignored with a warning. A pod's address is one of 127.0.0.0/8:
programs bind to it by themselves (an environment variable from status.podIP), nothing keeps them from other ports.

It deliberately does not isolate networks, processes or users from each other: it is for machines without containers.
"""

from kube_actors.node.runtime.process.runtime import ProcessConfig, ProcessRuntime

__all__ = ["ProcessConfig", "ProcessRuntime"]
