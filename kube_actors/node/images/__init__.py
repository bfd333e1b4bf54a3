"""Images on a node: pulling them, volumes of them, and removing those that nobody needs.

manager.py      pull policies, backoff, pull secrets: what a container's image goes through before it is created
credentials.py  which logins a pod has for an image's registry. Pure
pulled.py       the durable record of what this node pulled, and with whose login
garbage.py      which images go, and in which order. Pure
collector.py    the loop that looks at the disk and removes them
volume.py       volumes that are an image's files

Whoever's Docker engine it is may use it for other things: an image that this node did not pull itself is never
removed, unless the settings say so.
"""
