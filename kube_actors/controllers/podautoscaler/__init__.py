"""HorizontalPodAutoscaler v2: as many pods as their metrics ask for.

every 15 s, for each autoscaler:
    scale of the target -> pods of its selector -> metrics (source.py) -> a number a metric (replicas.py)
    -> the largest, held back by minimum, maximum, stabilization and rates (limits.py) -> scale, then status

The rules are those of the Kubernetes concept "Horizontal Pod Autoscaling", the texts those of its conditions and
events. Metrics come from the API server: metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io; this
package measures nothing.
"""
