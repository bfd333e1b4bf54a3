"""Backups: one portable file out of any store of etcd's API, and back into any.

    store --Range pages of one revision--> export -> writer --temporary name, fsync, rename--> FILE
    FILE -> reader (checked whole, first) -> spool (order of revisions) -> build: a store file of ours
                                                                        -> load: a store that runs, etcd too

`format` is the file, byte by byte (docs/backup.md tells it in words). After a restore every revision is
greater than any that a client can have seen, and all history is compacted: whoever watched is told to
list again, and no write from before can match.

What it deliberately does not do: it keeps no history and no remaining time of leases, it takes no locks in
the store, and it does not encrypt: the files are readable by their owner alone.
"""
