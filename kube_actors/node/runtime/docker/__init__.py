"""Pods on a Docker engine (or Podman's Docker-compatible socket).

    run_sandbox       pause container on a bridge network, with the pod's address, hostname, DNS and ports
    create_container  member of the pause container's network and IPC
    list_pods         containers found by label, of all clusters' and nodes' only our own
    changes           the event stream, connected again by itself

`spec`, `records`, `names`, `logs` map values and bytes and do no IO; `engine` and `hijack` speak; `runtime` joins them.

It deliberately keeps no state of its own and sets no restart policies: the engine is the record of what runs, the
node decides what is started again.
"""

from kube_actors.node.runtime.docker.engine import Engine
from kube_actors.node.runtime.docker.runtime import DockerConfig, DockerRuntime

__all__ = ["DockerConfig", "DockerRuntime", "Engine"]
