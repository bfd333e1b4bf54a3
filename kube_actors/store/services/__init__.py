"""etcd's v3 gRPC services over one engine, and the batched writes. Each module is one service.

They translate and word; what may happen is decided by `store.engine`, what is seen by `store.watch_hub`.
"""
