"""The aggregation layer: versions of API groups that another server answers for, as APIServices say.

    local      APIServices of what this server serves itself: made here, always available
    remotes    follows the others: where they are, whether they answer, what they serve
    proxy      sends requests there, with the user in headers
    reads      the same for reads over gRPC
    client     connections there; the other server believes the headers for the certificate that they come with

A request's path decides: /apis/GROUP/VERSION of a remote APIService goes to its Service, everything else stays here.
Authorization happens here, before anything is sent. Services are found as those of webhooks are (`webhooks.resolver`).
Kubernetes: k8s.io/kube-aggregator. Not here: upgraded connections (exec through an aggregated API), and schemas of
remote groups in /openapi/v2.
"""
