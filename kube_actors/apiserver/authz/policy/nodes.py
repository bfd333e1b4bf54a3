"""What nodes may do. The role has no subject: the node authorizer judges by these rules and by what runs where."""

from __future__ import annotations

from kube_actors.apiserver.authz.policy.table import cluster_roles, rules

_RULES = r"""
  create | authentication.k8s.io | tokenreviews
  create | authorization.k8s.io | subjectaccessreviews localsubjectaccessreviews
  read | core | services
  create read | core | nodes
  update patch | core | nodes/status
  update patch | core | nodes
  create update patch | core | events
  read | core | pods
  create delete | core | pods
  update patch | core | pods/status
  create | core | pods/eviction
  read | core | secrets configmaps
  get | core | persistentvolumeclaims persistentvolumes
  get | core | endpoints
  create read | certificates.k8s.io | certificatesigningrequests
  get create update patch delete | coordination.k8s.io | leases
  get | storage.k8s.io | volumeattachments
  create | core | serviceaccounts/token
  get update patch | core | persistentvolumeclaims/status
  read | storage.k8s.io | csidrivers
  get create update patch delete | storage.k8s.io | csinodes
  read | node.k8s.io | runtimeclasses
  get | resource.k8s.io | resourceclaims
  deletecollection | resource.k8s.io | resourceslices
  get | core | serviceaccounts
"""
NODE_RULES = rules(_RULES)
ROLES = cluster_roles("system:node" + _RULES)
