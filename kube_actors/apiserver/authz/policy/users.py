"""Roles for people: what everybody may ask, and cluster-admin, admin, edit and view, which are made by aggregation."""

from __future__ import annotations

from kube_actors.apiserver.authz.policy.table import cluster_roles

ROLES = cluster_roles("""
cluster-admin
  * | * | *
  * | url | *
system:discovery
  get | url | /healthz /readyz /livez /version /version/ /openapi /openapi/* /api /api/* /apis /apis/*
system:monitoring
  get | url | /metrics /metrics/slis /livez /readyz /healthz /livez/* /readyz/* /healthz/*
  get | url | /flagz
  get | url | /statusz
system:basic-user
  create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews
  create | authentication.k8s.io | selfsubjectreviews
system:public-info-viewer
  get | url | /healthz /livez /readyz /version /version/
admin
  @admin
edit admin
  @edit
view edit
  @view
system:aggregate-to-admin admin
  create | authorization.k8s.io | localsubjectaccessreviews
  all | rbac.authorization.k8s.io | roles rolebindings
system:aggregate-to-edit edit
  read | core | pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy
  impersonate | core | serviceaccounts
  write | core | pods pods/attach pods/proxy pods/exec pods/portforward
  create | core | pods/eviction
  write | core | replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy \
persistentvolumeclaims configmaps secrets events
  create | core | serviceaccounts/token
  write | apps | statefulsets statefulsets/scale daemonsets deployments deployments/scale deployments/rollback \
replicasets replicasets/scale
  write | autoscaling | horizontalpodautoscalers
  write | batch | jobs cronjobs
  write | extensions | daemonsets deployments deployments/scale deployments/rollback ingresses replicasets \
replicasets/scale replicationcontrollers/scale networkpolicies
  write | policy | poddisruptionbudgets
  write | networking.k8s.io | networkpolicies ingresses
  all | coordination.k8s.io | leases
  write | resource.k8s.io | resourceclaims resourceclaimtemplates
system:aggregate-to-view view
  read | core | pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status \
endpoints persistentvolumeclaims persistentvolumeclaims/status configmaps
  read | core | limitranges resourcequotas bindings events pods/status resourcequotas/status namespaces/status \
replicationcontrollers/status pods/log
  read | core | namespaces
  read | discovery.k8s.io | endpointslices
  read | apps | controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets daemonsets/status \
deployments deployments/status deployments/scale replicasets replicasets/status replicasets/scale
  read | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status
  read | batch | jobs cronjobs cronjobs/status jobs/status
  read | extensions | daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses \
ingresses/status replicasets replicasets/scale replicasets/status replicationcontrollers/scale networkpolicies
  read | policy | poddisruptionbudgets poddisruptionbudgets/status
  read | networking.k8s.io | networkpolicies ingresses ingresses/status
  read | resource.k8s.io | resourceclaims resourceclaims/status resourceclaimtemplates
""")
