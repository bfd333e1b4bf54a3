"""The scheduler: chooses a node for every pod that has none.

    informers ─> Cache (pods and nodes as columns of numbers) ─┐
              └> SchedulingQueue (active, backoff, waiting) ───┴─> plan() ─> bind in batches
                                                                   │            └ refused: forget, again later
                                                                   └> condition PodScheduled=False, Event

-   `columns/`: nodes are columns of a few numpy arrays, kept current pod by pod. Filters and scores are
    vector operations over all nodes at once; no sampling of nodes as kube-scheduler needs it.
-   `plugins/`: one file each, with Kubernetes' names, order, reasons, weights and scores.
-   `planner.py`: pure. Pods of one shape (equal in all that matters to scheduling) are placed together, in
    rounds: all nodes that share the best score take one pod each, then only their scores are computed
    again. Of nodes with the same score Kubernetes takes a random one; here it is the one with fewest pods.
-   `cache.py`: a placed pod is subtracted at once (assumed) and given back where the API server refuses it.
-   `queue.py`: what cannot be placed waits for an event that may help, as its plugins say.

What it does not do yet: preemption (the message says what Kubernetes says when it finds no victims),
PodTopologySpread, InterPodAffinity, limits of volumes a node, resource claims, several profiles, extenders. A
plugin whose scores depend on pods elsewhere fits in by its `scope`: with `Scope.CLUSTER` the planner places
one pod a round and computes everything again.
"""
