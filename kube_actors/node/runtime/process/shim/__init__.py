"""The supervisor of one container of the process runtime: standard library only, run as `python -I -S`.

    agent --starts--> shim --forks--> daemon --forks--> the container's command (a session of its own)
                                        |  state.json   what runs or ran, written atomically
                                        |  log          its output as Kubernetes' log lines
                                        +  io.sock      attach

The daemon belongs to nobody: it survives the agent, and Ray's cleanup of its workers' process groups. It is the
subreaper of everything the command starts, so nothing of a container escapes its end. The modules import each other
relatively, because here they are the package `shim` and not a part of kube_actors, whose import would cost memory
and time in every container.
"""
