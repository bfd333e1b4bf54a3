"""Requests that become byte streams: exec, attach, port-forward and proxy.

    WebSocket (channels)     --> WebSocketChannels --+
    SPDY/3.1 (streams)       --> SpdyChannels     ---+--> remote.converse --gRPC--> node agent
    WebSocket (SPDY tunnel)  --> spdy.Session --+
    SPDY/3.1                 --> spdy.Session --+--> forwarding ---------gRPC--> node agent
    HTTP, any upgrade        --> proxy ----------------------------------gRPC--> node agent

What can be refused before the upgrade is a Status; what fails later goes over the session's error channel.
Kubernetes: kubelet/pkg/cri/streaming, apimachinery/pkg/util/{httpstream,proxy}.
"""
