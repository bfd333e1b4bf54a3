"""Sessions with pods: exec, attach and connections, for both edges of the API server.

    edge --Request, options--> Streams --locate--> pod, container, node --gRPC Node API--> agent

An edge speaks its client's protocol (WebSocket channels, SPDY streams, gRPC messages); behind it there is one gRPC
conversation with the agent of the pod's node. Nothing is buffered beyond what gRPC's flow control lets be under way.
Kubernetes: registry/core/pod/rest/subresources.go, kubelet/pkg/cri/streaming.
"""

from kube_actors.apiserver.streams.agents import Agents
from kube_actors.apiserver.streams.options import ExecOptions
from kube_actors.apiserver.streams.streams import Streams

__all__ = ["Agents", "ExecOptions", "Streams"]
