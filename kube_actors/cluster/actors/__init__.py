"""The Ray actors: thin shells, one class a component, so that Ray's dashboard shows what runs.

    constructor -> thread with an event loop of its own -> component.start() -> serving -> constructor returns

Ray re-runs only the constructor after a crash, so the constructor starts the component. The component
has a loop that Ray knows nothing of: no uvloop, no concurrency group, no long remote call. All traffic
of components is gRPC; the methods here are for the supervisor and for the end of the cluster.

The classes are plain: `kube_actors.cluster.ray_actors` makes them actors.
"""
