"""ResourceQuota: how much of what a namespace may have."""

from __future__ import annotations

from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import limits
from kube_actors.api.validation.rules import Rules

KIND = Kind(
    rules=Rules(create=limits.quota, update=limits.quota_update, status=limits.quota_status),
    rest=RestRules(answers_deleted_object=True),
)
