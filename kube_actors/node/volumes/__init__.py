"""The volumes of pods as directories of the node, one kind a file.

    pod.spec.volumes ──> Volumes.set_up(pod) ──> kinds[...] ──> ROOT/pods/UID/volumes/NAME
    container.volumeMounts ──> Volumes.mounts(pod, container) ──> Mount(host path, path in the container)

What comes from objects (configMap, secret, downwardAPI, projected) is a payload, a pure function of those
objects, written by `atomic_writer` so that a reader sees all of an update or nothing of it. Secrets and tokens are
in memory alone, as an emptyDir of the medium Memory is: `tmpfs`.

It attaches no disks: persistent volumes, CSI and network file systems are refused with a message.
"""
