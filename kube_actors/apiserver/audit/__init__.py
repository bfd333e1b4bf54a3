"""The audit log: who asked for what, and what became of it, as a policy file says.

    edge -> Audit.begin(request) -> AuditEvent -> stages -> log.py: JSON lines, rotated

- `policy.py` is audit.k8s.io/v1 Policy: which level a request has and which stages are left out (pure).
- `event.py` builds the events (pure).
- `log.py` writes them, in batches and off the request's path: a full disk loses lines, never requests, and says so.

Calls over gRPC are in it as the REST requests that they stand for (grpc_api/auditing.py).

What it deliberately does not do: webhooks, dynamic sinks.
"""
