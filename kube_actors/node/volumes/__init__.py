"""The volumes of pods as directories of the node, one kind a file.

    pod.spec.volumes ──> Volumes.set_up(pod) ──> kinds[...] ──> ROOT/pods/UID/volumes/NAME
    container.volumeMounts ──> Volumes.mounts(pod, container) ──> Mount(host path, path in the container)

What comes from objects (configMap, secret, downwardAPI, projected) is a payload, a pure function of those
objects, written by `AtomicWriter` so that a reader sees all of an update or nothing of it.

It attaches no disks: persistent volumes, CSI and network file systems are refused with a message.
"""
