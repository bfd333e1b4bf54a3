"""Endpoints and EndpointSlices: the addresses behind a Service with a selector.

    membership.py           which pods, at which ports, in which state (pure; shared by both kinds)
    pod_handler.py          from a pod's event to the Services that select it
    plan.py, controller.py  Endpoints: one object a Service, cut at 1000 addresses
    slices.py, slice_controller.py
                            EndpointSlices: objects of 100 endpoints, changed as little as possible

Contracts: k8s.io/kubernetes/pkg/controller/endpoint, k8s.io/endpointslice.
"""
