"""The cluster's memory: keys and values with revisions, transactions, watches and leases.

    StoreClient --gRPC--> services --> engine (loop: decide) --> committer (thread: LMDB, fsync)
                             ^                                        |
                             +---- answers, watch hub <---------------+ after the fsync, never before

The server speaks etcd's v3 gRPC API, so etcdctl works on it, and one batched stream of our own for the
API server's writes. The client works on any server of that API, a real etcd included.

What it deliberately does not do: consensus (for several members use etcd itself) and etcd's
authentication (who may connect is decided by TLS client certificates).
"""
