"""Calling webhooks: HTTPS servers of the users that the API server asks (admission, conversion of custom resources).

    clientConfig (url, or service and caBundle) -> resolver: where to connect -> client: POST of JSON, answer of JSON

Errors are worded as Go's HTTP client words them, for Kubernetes shows them to users. What is asked and what an answer
means is the callers'.
"""
