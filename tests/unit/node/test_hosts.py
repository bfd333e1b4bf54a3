"""A pod's /etc/hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kube_actors.api import Obj
from kube_actors.node.config import NodeConfig
from kube_actors.node.containers.hosts import STANDARD, hosts_mount, hosts_text

CONFIG = NodeConfig(name="node-1", root_dir=Path("/nowhere"))


def pod(**spec: Any) -> Obj:
    return {"metadata": {"name": "web", "namespace": "team", "uid": "u"}, "spec": spec}


def test_a_pod_finds_itself_and_its_aliases() -> None:
    aliases = [{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}]
    assert hosts_text(pod(hostAliases=aliases), CONFIG, "10.0.0.7", "") == (
        f"# Kubernetes-managed hosts file.\n{STANDARD}10.0.0.7\tweb\n"
        "\n# Entries added by HostAliases.\n123.45.67.89\tfoo\tbar\n"
    )


def test_a_subdomain_gives_a_full_name() -> None:
    text = hosts_text(pod(hostname="db-0", subdomain="db"), CONFIG, "10.0.0.7", "")
    assert "10.0.0.7\tdb-0.db.team.svc.cluster.local\tdb-0\n" in text


def test_the_machines_network_comes_with_its_hosts() -> None:
    text = hosts_text(pod(hostNetwork=True), CONFIG, "", "127.0.0.1 here\n")
    assert text == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 here\n"


def test_a_container_that_mounts_its_own_keeps_it(tmp_path: Path) -> None:
    own = {"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/etc/hosts"}]}
    assert hosts_mount(pod(), own, tmp_path, CONFIG, "10.0.0.7") == []
    (mount,) = hosts_mount(pod(), {"name": "c"}, tmp_path / "pod", CONFIG, "10.0.0.7")
    assert mount.container_path == "/etc/hosts"
    assert "10.0.0.7\tweb" in Path(mount.host_path).read_text()
