"""Roles of the parts of a control plane, and of what asks it for certificates and tokens."""

from __future__ import annotations

from kube_actors.apiserver.authz.policy.table import cluster_roles

ROLES = cluster_roles("""
system:node-problem-detector
  get | core | nodes
  patch | core | nodes/status
  events
system:kubelet-api-admin
  read | core | nodes
  proxy | core | nodes
  * | core | nodes/proxy nodes/metrics nodes/stats nodes/log
  * | core | nodes/configz nodes/healthz nodes/pods
system:node-bootstrapper
  create read | certificates.k8s.io | certificatesigningrequests
system:auth-delegator
  create | authentication.k8s.io | tokenreviews
  create | authorization.k8s.io | subjectaccessreviews
system:kube-aggregator
  read | core | services endpoints
system:heapster
  read | core | events pods nodes namespaces
  read | extensions | deployments
system:kube-controller-manager
  events
  create | coordination.k8s.io | leases
  get update | coordination.k8s.io | leases : kube-controller-manager
  create | core | secrets serviceaccounts
  delete | core | secrets
  get | core | namespaces secrets serviceaccounts configmaps
  update | core | secrets serviceaccounts
  create | authentication.k8s.io | tokenreviews
  create | authorization.k8s.io | subjectaccessreviews
  list watch | * | *
  create | core | serviceaccounts/token
system:kube-dns
  list watch | core | endpoints services
system:persistent-volume-provisioner
  read create delete | core | persistentvolumes
  read update | core | persistentvolumeclaims
  read | storage.k8s.io | storageclasses
  watch | core | events
  events
system:volume-scheduler
  read patch update | core | persistentvolumes
  read | storage.k8s.io | storageclasses
  read patch update | core | persistentvolumeclaims
system:kube-scheduler
  events
  create | coordination.k8s.io | leases
  get list update watch | coordination.k8s.io | leases : kube-scheduler
  all | coordination.k8s.io | leasecandidates
  read | core | nodes
  read delete | core | pods
  create | core | pods/binding bindings
  patch update | core | pods/status
  read | core | services replicationcontrollers
  read | apps extensions | replicasets
  read | apps | statefulsets
  read | policy | poddisruptionbudgets
  read | core | persistentvolumeclaims persistentvolumes
  create | authentication.k8s.io | tokenreviews
  create | authorization.k8s.io | subjectaccessreviews
  read | storage.k8s.io | csinodes
  read | storage.k8s.io | volumeattachments
  read | core | namespaces
  read | storage.k8s.io | csidrivers
  read | storage.k8s.io | csistoragecapacities
  read | resource.k8s.io | deviceclasses
  read patch update | resource.k8s.io | resourceclaims
  read patch update | resource.k8s.io | resourceclaims/status
  read patch update | core | pods/finalizers
  read | resource.k8s.io | resourceslices
system:node-proxier
  list watch | core | services endpoints
  read | core | nodes
  events
  list watch | networking.k8s.io | servicecidrs
  list watch | discovery.k8s.io | endpointslices
system:certificates.k8s.io:certificatesigningrequests:nodeclient
  create | certificates.k8s.io | certificatesigningrequests/nodeclient
system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
  create | certificates.k8s.io | certificatesigningrequests/selfnodeclient
system:certificates.k8s.io:legacy-unknown-approver
  approve | certificates.k8s.io | signers : kubernetes.io/legacy-unknown
system:certificates.k8s.io:kubelet-serving-approver
  approve | certificates.k8s.io | signers : kubernetes.io/kubelet-serving
system:certificates.k8s.io:kube-apiserver-client-approver
  approve | certificates.k8s.io | signers : kubernetes.io/kube-apiserver-client
system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
  approve | certificates.k8s.io | signers : kubernetes.io/kube-apiserver-client-kubelet
system:service-account-issuer-discovery
  get | url | /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/
""")
