"""Devices as extended resources: what a kubelet's device manager and a vendor's device plugin do together.

nvidia-smi (nvidia.py) ──every minute──> Devices ──> the node's capacity and allocatable, its labels
a pod is admitted ──> Allocator (pure): which device ids each of its containers gets ──> the sandbox's record
a container is made ──> its ids: a device request for Docker, environment variables for processes
the pod has ended ──> its devices are free

The record of who has what is the sandbox's, so that an agent that starts again finds it. Sources: kubelet's
pkg/kubelet/cm/devicemanager and NVIDIA's k8s-device-plugin and gpu-feature-discovery, for names and texts.

It deliberately does not share a device between containers, knows no topology and no health beyond "nvidia-smi lists
it". A GPU that is lost lowers what is allocatable; containers that have it keep it.
"""
