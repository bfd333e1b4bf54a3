"""SPDY/3.1, as far as Kubernetes' exec, attach and port-forward need it; the server's side.

    bytes --> FrameReader --> frames --> Session --> Streams --> bytes
                                 ^           |
    bytes <-- FrameWriter <------+-----------+

`frames` and `headers` are sans-IO. `session` carries streams over any `Transport`: an upgraded connection, or the
messages of a WebSocket. Memory is bounded: by the frames that may be whole, the headers that may be inflated, the
streams that may be open and the bytes that may wait to be read.

It opens no streams of its own, knows no credentials, no priorities and no server push. Specification:
https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
"""

from kube_actors.apiserver.spdy.frames import ProtocolError
from kube_actors.apiserver.spdy.session import Session, Stream, Transport

__all__ = ["ProtocolError", "Session", "Stream", "Transport"]
