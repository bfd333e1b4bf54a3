"""Job: pods that run to their end, counted exactly once.

    controller.py      one sync: count, decide, create or delete pods, write the status, let counted pods go
    counting.py        what the pods and the status say together (pure)
    deciding.py        whether the Job is over, and why (pure)
    managing.py        which pods to create or to delete (pure)
    tracking.py        the status before and after finalizers are taken away (pure)
    pods.py            the Job's pods: making, marks, failure
    indexes.py         sets of completion indexes and their text, `0,2,5-9`
    failure_policy.py  podFailurePolicy;  success_policy.py  successPolicy;  backoff.py  waits after failures
    orphans.py         a second controller: takes the finalizer from pods whose Job is gone

Exactly once: a finished pod is kept by the finalizer batch.kubernetes.io/job-tracking until the status says that
it was seen. Its uid goes into status.uncountedTerminatedPods (first write), then the finalizer goes, then the
uid moves into the counters (second write). A crash between any two of them loses and repeats nothing.

Contract: k8s.io/kubernetes/pkg/controller/job.
"""
