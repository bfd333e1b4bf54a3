"""Eviction: when the node runs short, pods go before the kernel takes its pick.

every 10 s: signals of the machine (signals.py) -> thresholds that are met (thresholds.py)
    -> the node's conditions, which stay for a while after the last time (five minutes, as with kubelet)
    -> one pod, the first by ranking.py, ends as Failed with the reason Evicted; the next look sees whether it helped
    -> pods whose emptyDir has grown beyond its limit end likewise (storage.py)

The Kubernetes concept "Node-pressure Eviction" is the source. Thresholds on disks are off by default, as in other
clusters that live on a developer's machine: whoever's disk is full should not lose pods for it.
"""
