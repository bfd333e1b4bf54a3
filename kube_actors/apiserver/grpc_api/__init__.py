"""kube_actors.v1.Kube: the Kubernetes API over gRPC, with the semantics and errors of REST.

`service.py` has the unary calls and the streams, `session.py` the stream on which components write, `options.py` turns
messages into the pipeline's vocabulary. `callers.py` finds out who calls; `calls.py` gives a call its turn, and
`auditing.py` its lines in the audit log. Objects are JSON bytes and are not parsed here.
"""
