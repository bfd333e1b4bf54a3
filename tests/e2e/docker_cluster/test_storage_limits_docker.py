"""Limits of ephemeral storage: what a container writes into itself and to its log counts."""

from __future__ import annotations

from tests.e2e.docker_cluster.cluster import Space, pod


def test_a_container_that_writes_more_than_its_limit_is_evicted_and_one_that_does_not_stays(space: Space) -> None:
    limit = {"limits": {"ephemeral-storage": "4Mi"}}
    write = "head -c {}000000 /dev/zero > /file; head -c {}000000 /dev/zero | tr '\\0' '\\n'; sleep 3600"
    space.create(
        pod("fills", write.format(8, 0), resources=limit),
        pod("talks", write.format(0, 1), resources=limit),
        pod("fits", write.format(2, 0), resources=limit),
    )
    space.wait("fits")
    for name in ("fills", "talks"):
        status = space.phase(name, "Failed")["status"]
        text = "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. "
        assert (status["reason"], status["message"]) == ("Evicted", text)
    assert space.pod("fits")["status"]["phase"] == "Running"
