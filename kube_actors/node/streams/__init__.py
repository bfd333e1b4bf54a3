"""The byte streams of a node: logs, exec, attach, port-forward. One gRPC stream a session, closed with it."""
