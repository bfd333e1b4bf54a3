"""The watch cache: every object as the bytes to serve, fed by one watch stream of the store.

    store.range(/registry/) at R, then store.watch(/registry/) from R+1
        -> cache.py     routes each event by its key to the bucket of a resource, then moves `revision` on
        -> bucket.py    entries in key order, a window of history, and who watches
        -> watcher.py   a bounded buffer a watcher; events of one store batch arrive together

Every bucket follows the one stream, so `revision` is true for all of them: a reader that has asked the store for
its revision waits until the cache has reached it, and then reads all that was ever acknowledged. An object is held
as bytes with its resourceVersion in place; it is decoded only when a selector or an index first asks, once.

What it deliberately does not do: decide writes (see registry/), or wait for a watcher.
"""
