"""Control groups of pods, as a kubelet makes them, for every runtime that may.

    /kube-actors/CLUSTER-NODE-DIGEST      a kubelet's --cgroup-root: of one node, whatever else the machine runs
        kubepods                          as much CPU as the machine has, against what is no pod
            podUID                        Guaranteed: shares, quota and memory of the pod as a whole
                CONTAINER, ...            the pause container too; its runtime makes the group
            burstable/podUID              the class has the shares of its pods together
            besteffort/podUID             the class has the fewest shares there are

values.py is pure: which groups there are and what each has, as files of both versions of control groups and as slices
of systemd. groups.py keeps the groups of pods through a driver (driver.py): cgroupfs.py writes files, systemd.py asks
for slices over D-Bus (bus.py), which is how an engine wants it whose own driver is systemd. Formulas are those of
kubelet's ResourceConfigForPod and qosContainerManager. What it does not do: limits of the whole node
(enforceNodeAllocatable), of processes, of huge pages.
"""
