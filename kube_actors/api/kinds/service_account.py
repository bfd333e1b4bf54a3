"""ServiceAccount: an identity for pods."""

from __future__ import annotations

from kube_actors.api.kinds.kind import Kind, RestRules

KIND = Kind(rest=RestRules(answers_deleted_object=True))
