"""A Kubernetes control plane whose components are asyncio objects, run as Ray actors, that talk gRPC.

The layers, from the top; imports go down only (import-linter checks it):

    cluster                 who constructs what: embedded cluster, Ray actors, config, PKI, kubeconfig
    apiserver | scheduler | controllers | node | network      the components; none imports another
    client                  gRPC client, informers, work queue, leader election, event recorder
    store                   embedded engine behind the etcd v3 API, and the client of any such store
    rpc                     channels, servers, TLS, error mapping, generated stubs
    api                     what a Kubernetes object is; pure, no IO
    aio | archives          owned named tasks, clock, backoff | tars that nobody vouches for
"""

from importlib.metadata import version

__version__ = version("kube-actors")
