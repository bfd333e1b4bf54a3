"""The one store-backed engine of all kinds: compared writes, conflicts, finalizers, graceful deletion.

    create: prepare -> validate -> put, if the key is absent
    update: newest state known -> change -> admit -> prepare -> validate -> put, if the key is at that state
            on conflict: again from the state that the store told
    delete: mark (grace, finalizers) or remove, each as an update or a compared delete

A decision on a state from the cache that ends in a refusal is made again on a state read from the store, so a
cache that lags can cost a repetition, never a wrong answer. What a kind decides is in strategies/.
"""
