"""Streams of containers on Docker, and their way to the API server."""

from __future__ import annotations

from tests.e2e.docker_cluster.cluster import Space, pod

# Whether something listens at the address that every pod is told, and whether anything would be believed.
REACH = "nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null; echo $?; "
REACH += "nc -w 2 $POD_IP 9 </dev/null; echo $?"
SERVE = "echo begun; mkdir /www; echo page >/www/index.html; exec httpd -f -p 8080 -h /www"


def test_streams_of_containers_and_their_way_to_the_api_server(space: Space) -> None:
    ip = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    space.create(pod("web", SERVE, env=[ip]))
    space.wait("web")
    assert space.kubectl("exec", "-i", "web", "--", "wc", "-c", stdin=b"x" * 100_000).strip() == "100000"
    assert space.kubectl("get", "--raw", f"/api/v1/namespaces/{space.name}/pods/web:8080/proxy/") == "page\n"
    assert space.kubectl("logs", "web") == "begun\n"
    assert space.sh("web", REACH).split() == ["0", "1"]
