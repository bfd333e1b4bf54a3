"""Storage: claims get volumes, volumes get reclaimed.

claim or volume changes -> key -> plan (claims.py or volumes.py, with provision.py for what is made on demand)
    -> writes of volume and claim, one side after the other; the next event continues where a write failed

Both sides of a binding are written, the volume's first: a volume whose claimRef is set is nobody else's, and whoever
dies between the two writes has lost nothing. The files of a volume are the node's: it makes them when the volume is
first mounted, and removes them when the volume is deleted (`node/volumes/reclaim.py`).

Not here: drivers of the Container Storage Interface. Their claims get the annotations by which an external
provisioner finds them.
"""
