"""A container runtime without containers: pods that only behave, as data says.

    YAML ──read_config──> SimulatedConfig(rules) ──behaviour of(pod labels, container, image)──> SimulatedRuntime
    start ──(start_seconds)──> running ──(run_seconds)──> exited(exit_code)

Nothing is opened, forked or written, and nothing polls: a pod at rest costs memory only, so that one process
carries thousands of nodes. Time is the loop's, real or virtual. Its state lives as long as the object, so an
agent that is stopped and started again over the same runtime adopts its pods.

It runs no command and serves no port: probes and hooks are answered by the behaviour, exec echoes its input.
"""

from kube_actors.node.runtime.simulated.behaviour import Behaviour, Rule, SimulatedConfig
from kube_actors.node.runtime.simulated.reading import read_config
from kube_actors.node.runtime.simulated.runtime import SimulatedRuntime

__all__ = ["Behaviour", "Rule", "SimulatedConfig", "SimulatedRuntime", "read_config"]
