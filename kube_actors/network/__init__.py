"""Service addresses on a node: what kube-proxy does.

    Services, EndpointSlices --informers--> services.py (pure: one frozen table of ServicePorts)
        --> nftables.py    one atomic `nft` transaction; needs root           (mode "nftables")
        --> userspace.py   sockets on the addresses themselves; needs nothing (mode "userspace")

`proxy.py` is the component: it collects changes for a moment, plans the whole table and hands it to the
backend, which does nothing where nothing changed.

It deliberately does not give pods their addresses (the node picks them, the runtime sets them).
"""
