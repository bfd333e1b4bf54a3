"""The garbage collector: objects whose owners are gone go too.

    monitors.py     watches every resource that can be deleted, custom ones as they come and go
    graph.py        who owns whom, fed by events; says which objects to look at (pure)
    plan.py         what to do with one object, given its live owners (pure)
    controller.py   looks (live), plans, performs

    DELETE background   the owner is gone; each dependent has a dangling reference -> deleted
    DELETE foreground   the owner waits with the finalizer foregroundDeletion until no dependent is left that
                        blocks (blockOwnerDeletion); the dependents are deleted meanwhile
    DELETE orphan       the owner waits with the finalizer orphan until its dependents' references are gone

An owner that no event has shown yet stands in the graph as a virtual node until a live read says whether it
exists: an absent owner is never concluded from the cache alone.

Contract: k8s.io/kubernetes/pkg/controller/garbagecollector.
"""
