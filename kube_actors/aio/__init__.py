"""Small asyncio primitives that every component shares: owned tasks, a clock, backoff, batching.

Nothing here knows Kubernetes. `asyncio.create_task` is called in `tasks.py` and nowhere else (a lint
rule says so), so that every task has a name and an owner that stops it.
"""
