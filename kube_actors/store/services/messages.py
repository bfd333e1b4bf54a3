"""Engine values as etcd's messages."""

from __future__ import annotations

from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.store.engine import Engine
from kube_actors.store.errors import KV

# There is one member, which has always been the leader.
TERM = 2


def header(engine: Engine, revision: int | None = None) -> pb.ResponseHeader:
    """The header of every answer: by default with the newest durable revision."""
    return pb.ResponseHeader(
        cluster_id=engine.cluster_id,
        member_id=engine.member_id,
        revision=engine.durable if revision is None else revision,
        raft_term=TERM,
    )


def key_value(kv: KV) -> pb.KeyValue:
    return pb.KeyValue(
        key=kv.key,
        create_revision=kv.create_revision,
        mod_revision=kv.mod_revision,
        version=kv.version,
        value=kv.value,
        lease=kv.lease,
    )
