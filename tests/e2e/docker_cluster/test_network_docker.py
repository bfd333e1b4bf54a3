"""What a pod is called and finds on its network, through kubectl: names, hosts, resolvers, ports."""

from __future__ import annotations

import sys
from typing import Any

from tests.e2e.docker_cluster.cluster import Space, pod
from tests.kactl_cluster import until

FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=3).read().decode())"


def test_names_of_a_pod_come_from_its_hostname_its_subdomain_and_their_overrides(space: Space) -> None:
    long = "a" * 70
    space.create(
        pod("plain"),
        pod("named", spec={"hostname": "web-0", "subdomain": "web"}),
        pod("full", spec={"hostname": "web-1", "subdomain": "web", "setHostnameAsFQDN": True}),
        pod("over", spec={"hostnameOverride": "some.other.name"}),
        pod(long) | {"metadata": {"name": long}},
    )
    for name in ("plain", "named", "full", "over", long):
        space.wait(name)
    domain = f"web.{space.name}.svc.cluster.local"
    assert space.sh("plain", "hostname") == "plain"
    assert space.sh("named", "hostname; hostname -f").split() == ["web-0", f"web-0.{domain}"]
    assert space.sh("full", "hostname") == f"web-1.{domain}"
    assert space.sh("over", "hostname") == "some.other.name"
    assert space.sh(long, "hostname") == "a" * 63
    assert (
        f"{space.pod('named')['status']['podIP']}\tweb-0.{domain}\tweb-0\n"
        in space.sh("named", "cat /etc/hosts") + "\n"
    )


def test_a_pods_hosts_file_is_managed_with_its_aliases(space: Space) -> None:
    aliases = [{"ip": "10.1.2.3", "hostnames": ["one", "one.example"]}, {"ip": "10.1.2.4", "hostnames": ["two"]}]
    space.create(pod("own", spec={"hostAliases": aliases}), pod("host", spec={"hostNetwork": True}))
    space.wait("own")
    text = space.sh("own", "cat /etc/hosts")
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert text.endswith(
        f"{space.pod('own')['status']['podIP']}\town\n\n"
        "# Entries added by HostAliases.\n10.1.2.3\tone\tone.example\n10.1.2.4\ttwo"
    )
    space.wait("host")
    assert space.sh("host", "cat /etc/hosts").startswith("# Kubernetes-managed hosts file (host network).\n")
    space.sh("own", "printf 'x\\n' > /etc/hosts")
    assert space.sh("own", "cat /etc/hosts") == "x"


def test_the_resolver_of_a_pod_follows_its_policy_and_its_config(space: Space) -> None:
    config = {
        "nameservers": ["192.0.2.9"],
        "searches": ["example.test"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
    }
    policies: dict[str, Any] = {
        "first": {"dnsPolicy": "ClusterFirst"},
        "more": {"dnsConfig": config},
        "default": {"dnsPolicy": "Default"},
        "none": {"dnsPolicy": "None", "dnsConfig": config},
        "host": {"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True},
    }
    space.create(*(pod(name, spec=spec) for name, spec in policies.items()))
    got = {}
    for name in policies:
        space.wait(name)
        got[name] = space.sh(name, "grep -v '^#' /etc/resolv.conf || true").split("\n")
    assert got["none"] == ["search example.test", "nameserver 192.0.2.9", "options ndots:2 edns0"]
    # Without a DNS of the cluster everybody has the machine's, and his own besides.
    assert got["first"] == got["default"]
    more = "\n".join(got["more"])
    for text in ("192.0.2.9", "example.test", "ndots:2", "edns0"):
        assert text in more


def test_host_ports_lead_into_the_pod_on_their_address(space: Space) -> None:
    serve = "echo hello > /tmp/index.html; httpd -f -p 80 -h /tmp"

    def ports(host_port: int, ip: str = "", protocol: str = "TCP") -> Any:
        port = {"containerPort": 80, "hostPort": host_port, "protocol": protocol}
        return {"ports": [port | ({"hostIP": ip} if ip else {})]}

    space.create(
        pod("any", serve, **ports(18080)),
        pod("local", serve, **ports(18081, "127.0.0.1")),
        pod("local-2", serve, **ports(18081, "127.0.0.2")),
        pod("same", serve, **ports(18081, "127.0.0.1")),
    )
    for name in ("any", "local", "local-2"):
        space.wait(name)

    def fetched(url: str) -> str:
        return space.cluster.run(sys.executable, "-c", FETCH, url).stdout.strip()

    assert until(lambda: fetched("http://127.0.0.1:18080/")) == "hello"
    assert until(lambda: fetched("http://127.0.0.2:18081/")) == "hello"
    assert until(lambda: fetched("http://127.0.0.1:18081/")) == "hello"
    assert fetched("http://127.0.0.3:18081/") == ""
    until(lambda: any("didn't have free ports for the requested pod ports" in one for one in space.events("same")))
    assert space.pod("same")["status"]["phase"] == "Pending"


def test_containers_of_a_pod_share_localhost(space: Space) -> None:
    shell = pod("x")["spec"]["containers"][0]
    serve = "echo hello > /tmp/index.html; httpd -f -p 8000 -h /tmp"
    containers = [shell | {"command": ["sh", "-c", serve]}, shell | {"name": "d"}]
    space.create(pod("p", spec={"containers": containers}))
    space.wait("p")
    assert until(lambda: space.sh("p", "wget -q -O - http://localhost:8000/", "d")) == "hello"
