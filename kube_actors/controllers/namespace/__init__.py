"""Namespace deletion: everything in it goes, pods first, then the namespace itself.

    content.py      what is left in a namespace and what holds it
    conditions.py   the five conditions that tell how far the deletion is (pure)
    controller.py   deletes, reports, and removes the finalizer `kubernetes` at the end

Contract: k8s.io/kubernetes/pkg/controller/namespace, with OrderedNamespaceDeletion.
"""
