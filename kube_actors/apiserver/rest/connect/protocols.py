"""The versions of the remote command protocol, over WebSockets and SPDY alike.

Channels are 0 stdin, 1 stdout, 2 stderr, 3 error, 4 resize. Kubernetes: apimachinery/pkg/util/remotecommand.
"""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.api import Obj, encoding

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
# v5: this byte and a channel's say that the client will send no more there.
CLOSE = 255


@dataclass(frozen=True, slots=True)
class Protocol:
    """What a version can do.

    `statuses`: the error channel carries a Status of every end, else the text of a failure.
    `resizes`: terminals have sizes. `closes`: a channel can be closed alone. `base64`: texts instead of bytes.
    """

    name: str
    statuses: bool = False
    resizes: bool = True
    closes: bool = False
    base64: bool = False
    late_errors: bool = False

    def error(self, status: Obj) -> bytes:
        """What the error channel carries of an end; empty: nothing."""
        if self.statuses:
            return encoding.dumps(status)
        return b"" if status["status"] == "Success" else str(status["message"]).encode()


V1 = Protocol("channel.k8s.io", resizes=False)
V2 = Protocol("v2.channel.k8s.io", resizes=False)
V3 = Protocol("v3.channel.k8s.io")
V4 = Protocol("v4.channel.k8s.io", statuses=True)
# Kubernetes upgrades a v5 client before it asks the node, so that all of the node's errors come over the channel.
V5 = Protocol("v5.channel.k8s.io", statuses=True, closes=True, late_errors=True)

OVER_SPDY = {each.name: each for each in (V4, V3, V2, V1)}
OVER_WEBSOCKET = {
    **{each.name: each for each in (V5, V4, V3, V2)},
    # The first version on a WebSocket has five channels, as the later ones.
    "channel.k8s.io": Protocol("channel.k8s.io"),
    "v4.base64.channel.k8s.io": Protocol("v4.base64.channel.k8s.io", statuses=True, base64=True),
    "base64.channel.k8s.io": Protocol("base64.channel.k8s.io", base64=True),
}
