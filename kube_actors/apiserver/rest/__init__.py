"""The Kubernetes REST API over HTTPS.

    server.py       the listener: TLS, one handler for all requests, limits, metrics
    paths.py        a path -> what is asked for
    negotiation.py  Accept and Content-Type
    resources.py    requests for objects -> operations -> answers
    watches.py      streams of events
    answers.py      bodies: lists as joins of bytes, Tables, YAML, Status
    discovery.py    /api, /apis and what hangs below them, made once and served as bytes
    openapi.py      /openapi/v2 and /openapi/v3, from the schema data
    health.py, metrics.py

Handlers know no kind; what they say in refusals is Kubernetes' text. aiohttp's low-level server is used without its
router: the paths of this API are not known in advance.
"""
