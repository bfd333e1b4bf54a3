"""Probes of every kind and way on Docker, and what their failure does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kube_actors.cluster.pki import Pki
from tests.e2e.docker_cluster.cluster import Space, pod, python_pod
from tests.kactl_cluster import until

SERVE = "mkdir /www; echo fine >/www/ok; exec httpd -f -p 8080 -h /www"
SERVE_TLS = """
import http.server, ssl
server = http.server.HTTPServer(("", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
# grpc.health.v1: the service "up" serves, no other does.
SERVE_HEALTH = r"""
import concurrent.futures, grpc
def check(request, context):
    return b"\x08\x01" if request == b"\n\x02up" else b"\x08\x02"
methods = {"Check": grpc.unary_unary_rpc_method_handler(check)}
server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)])
server.add_insecure_port("0.0.0.0:9000")
server.start()
server.wait_for_termination()
"""
FAST = {"periodSeconds": 1, "failureThreshold": 1}


def ready(space: Space, name: str) -> bool:
    return bool(space.container(name)["ready"])


def test_readiness_is_asked_in_every_way_and_its_failure_restarts_nothing(space: Space) -> None:
    by_name = {"httpGet": {"path": "/ok", "port": "web", "httpHeaders": [{"name": "X-Probe", "value": "1"}]}}
    ways: dict[str, Any] = {
        "http": pod("http", SERVE, ports=[{"containerPort": 8080, "name": "web"}], readinessProbe=by_name | FAST),
        "tcp": pod("tcp", SERVE, readinessProbe={"tcpSocket": {"port": 8080}} | FAST),
        "exec": pod("exec", SERVE, readinessProbe={"exec": {"command": ["test", "-e", "/www/ok"]}} | FAST),
        "late": pod("late", readinessProbe={"exec": {"command": ["true"]}, "initialDelaySeconds": 4} | FAST),
        "lost": pod("lost", SERVE, readinessProbe={"httpGet": {"path": "/lost", "port": 8080}} | FAST),
    }
    space.create(*ways.values())
    for name in ("http", "tcp", "exec"):
        space.wait(name)
    assert not ready(space, "lost")
    until(lambda: "Readiness probe failed: HTTP probe failed with statuscode: 404" in space.events("lost", "Unhealthy"))
    space.sh("exec", "rm /www/ok")
    until(lambda: not ready(space, "exec"))
    space.sh("exec", "touch /www/ok")
    space.wait("exec")
    space.wait("late")
    late = space.pod("late")["status"]
    moved = next(each for each in late["conditions"] if each["type"] == "Ready")["lastTransitionTime"]
    assert moved > late["containerStatuses"][0]["state"]["running"]["startedAt"]
    for name in ways:
        assert space.container(name)["restartCount"] == 0


def test_https_and_grpc_are_asked_too(space: Space, tmp_path: Path) -> None:
    # Of an authority that nobody knows, and for another name: a probe looks at no certificate.
    tls = Pki.open(tmp_path / "pki").server_tls("web")
    (tmp_path / "crt").write_bytes(tls.certificate)
    (tmp_path / "key").write_bytes(tls.key)
    space.kubectl("create", "secret", "tls", "tls", f"--cert={tmp_path / 'crt'}", f"--key={tmp_path / 'key'}")
    secret = {"volumes": [{"name": "tls", "secret": {"secretName": "tls"}}]}
    mounted = [{"name": "tls", "mountPath": "/tls"}]
    https = {"httpGet": {"path": "/", "port": 8443, "scheme": "HTTPS"}} | FAST

    def asked(service: str) -> Any:
        return FAST | {"grpc": {"port": 9000, "service": service}, "failureThreshold": 20}

    space.create(
        python_pod("https", SERVE_TLS, spec=secret, volumeMounts=mounted, readinessProbe=https),
        python_pod("up", SERVE_HEALTH, startupProbe=asked("up"), readinessProbe=asked("up")),
        python_pod("down", SERVE_HEALTH, startupProbe=asked("up"), readinessProbe=asked("down")),
        pod("http", SERVE, readinessProbe={"grpc": {"port": 8080}} | FAST),
    )
    space.wait("https")
    space.wait("up")
    said = 'Readiness probe failed: service unhealthy (responded with "NOT_SERVING")'
    until(lambda: said in space.events("down", "Unhealthy"), str(space.events("down")))
    lost = 'Readiness probe failed: timeout: failed to connect service "'
    until(lambda: any(each.startswith(lost) for each in space.events("http", "Unhealthy")), str(space.events("http")))
    for name in ("https", "up", "down"):
        assert space.container(name)["restartCount"] == 0


def test_liveness_restarts_a_container_and_a_startup_probe_holds_it_off(space: Space) -> None:
    alive = {"exec": {"command": ["sh", "-c", "test -e /tmp/alive || { echo dead; exit 1; }"]}} | FAST
    space.create(
        pod("dies", "touch /tmp/alive; sleep 3; rm /tmp/alive; sleep 3600", livenessProbe=alive),
        pod(
            "slow",
            "sleep 4; touch /tmp/alive; sleep 3600",
            livenessProbe=alive,
            startupProbe=alive | {"failureThreshold": 60},
        ),
        pod("never", startupProbe=alive | {"failureThreshold": 2}, spec={"restartPolicy": "Never"}),
        pod("hangs", livenessProbe={"exec": {"command": ["sleep", "60"]}, "timeoutSeconds": 1} | FAST),
    )
    until(lambda: space.container("dies")["restartCount"] >= 1)
    until(lambda: "Liveness probe failed: dead\n" in space.events("dies", "Unhealthy"), str(space.events("dies")))
    until(lambda: "Container c failed liveness probe, will be restarted" in space.events("dies", "Killing"))
    assert space.container("dies")["lastState"]["terminated"]["exitCode"] == 137
    until(lambda: space.container("hangs")["restartCount"] >= 1)
    until(lambda: any("timed out" in text for text in space.events("hangs", "Unhealthy")))
    assert space.phase("never", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
    until(lambda: "Startup probe failed: dead\n" in space.events("never", "Unhealthy"))
    until(lambda: space.container("slow")["started"])
    space.wait("slow")
    assert space.container("slow")["restartCount"] == 0


def test_a_probe_gives_less_time_to_end_than_the_pod(space: Space) -> None:
    deaf = "trap '' TERM; while :; do sleep 0.1; done"
    probe = {"exec": {"command": ["false"]}, "terminationGracePeriodSeconds": 1} | FAST
    space.create(pod("deaf", deaf, livenessProbe=probe, spec={"terminationGracePeriodSeconds": 3600}))
    until(lambda: space.container("deaf")["restartCount"] >= 1)
    space.kubectl("delete", "pod", "deaf", "--grace-period=0", "--force")


def test_http_probes_send_headers_and_follow_what_the_pod_answers(space: Space) -> None:
    def answer(status: str, location: str = "") -> str:
        return f'printf "Status: {status}\\r\\n{f"Location: {location}" if location else "X: y"}\\r\\n\\r\\n"'

    programs = {
        "who": f'if [ "$HTTP_X_WHO" = me ]; then {answer("200 OK")}; else {answer("403 Forbidden")}; fi',
        "moved": answer("302 Found", "/ok"),
        "lost": answer("302 Found", "/gone"),
    }
    files = "".join(f"cat > /w/cgi-bin/{name} <<'EOF'\n#!/bin/sh\n{text}\nEOF\n" for name, text in programs.items())
    script = (
        f"mkdir -p /w/cgi-bin\n{files}chmod 755 /w/cgi-bin/*\nmkdir -p /w; echo ok > /w/ok; exec httpd -f -p 8080 -h /w"
    )

    def get(path: str, **fields: Any) -> Any:
        return {"httpGet": {"port": 8080, "path": path} | fields} | FAST

    headers = {"httpHeaders": [{"name": "X-Who", "value": "me"}]}
    space.create(
        pod("header", script, readinessProbe=get("/cgi-bin/who", **headers)),
        pod("without", script, readinessProbe=get("/cgi-bin/who")),
        pod("moved", script, readinessProbe=get("/cgi-bin/moved")),
        pod("lost", script, readinessProbe=get("/cgi-bin/lost")),
        pod("host", script, readinessProbe=get("/ok", host="127.0.0.2")),
    )
    space.wait("header")
    space.wait("moved")
    until(lambda: any("statuscode: 403" in each for each in space.events("without", "Unhealthy")))
    until(lambda: any("statuscode: 404" in each for each in space.events("lost", "Unhealthy")))
    refused = 'Get "http://127.0.0.2:8080/ok": dial tcp 127.0.0.2:8080: connect: connection refused'
    until(lambda: any(refused in each for each in space.events("host", "Unhealthy")))
