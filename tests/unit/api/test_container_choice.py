"""Which container of a pod a request means."""

from __future__ import annotations

from typing import Any

import pytest

from kube_actors.api.container_choice import container_of
from kube_actors.api.errors import BadRequest


def pod(*names: str, default: str = "", **spec: Any) -> dict[str, Any]:
    annotations = {"kubectl.kubernetes.io/default-container": default} if default else {}
    metadata = {"name": "p", "annotations": annotations}
    return {"metadata": metadata, "spec": {"containers": [{"name": name} for name in names], **spec}}


def test_one_by_its_name_the_default_one_or_the_only_one() -> None:
    assert container_of(pod("a", "b", initContainers=[{"name": "i"}]), "i") == "i"
    assert container_of(pod("a", "b", default="b"), "") == "b"
    assert container_of(pod("a", default="gone"), "") == "a"


def test_who_names_none_of_several_is_told_them_all() -> None:
    with pytest.raises(BadRequest) as refused:
        container_of(pod("a", "b", initContainers=[{"name": "i"}]), "")
    text = "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]"
    assert refused.value.message == text
    with pytest.raises(BadRequest, match="container z is not valid for pod p"):
        container_of(pod("a"), "z")
