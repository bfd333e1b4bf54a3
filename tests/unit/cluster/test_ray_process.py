"""Ray that is missing or of another version, ports, and what Ray says of dead actors. Ray itself is not here."""

from __future__ import annotations

import socket
from importlib import metadata
from pathlib import Path

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import ports, ray_process
from kube_actors.cluster.config import RaySection
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.ray_text import creation_error, task_error


def test_a_missing_ray_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(ConfigError, match=r"^Ray is not installed: pip install 'kube-actors\[ray\]', or use"):
        ray_process.require_ray()


@pytest.mark.parametrize("version", ["2.54.0", "3.0.0", "1.13", "2.9.3"])
def test_another_version_is_named(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: version)
    with pytest.raises(ConfigError, match=rf"^Ray {version} is installed, but kube-actors needs >=2\.55,<3"):
        ray_process.require_ray()


@pytest.mark.parametrize("version", ["2.55.0", "2.60.0", "2.100.1", "2.61.0rc1"])
def test_supported_versions_are_taken(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: version)
    assert ray_process.require_ray() == version


def test_a_ray_is_prepared_for_loopback_alone_with_a_token(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path)
    prepared = ray_process.prepare(paths, RaySection())
    words = dict(zip(prepared.command[4:], prepared.command[5:], strict=False))
    try:
        assert words["--node-ip-address"] == words["--dashboard-host"] == "127.0.0.1"
        chosen = [words[key] for key in words if key.endswith("port")]
        assert len(set(chosen)) == len(chosen)
        assert "6379" not in chosen
        environment = ray_process.environment(paths)
        assert environment["RAY_AUTH_MODE"] == "token"
        assert Path(environment["RAY_AUTH_TOKEN_PATH"]).read_text()
        assert prepared.record.leader.pid == 0
        # Ray's sockets below it have to fit into 107 bytes.
        assert len(prepared.record.temp_dir) < 40
    finally:
        Path(prepared.record.temp_dir).rmdir()


def test_a_ray_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} of 127\.0\.0\.1 is in use; .*\(ray\.port\)"):
            ray_process.prepare(ClusterPaths(tmp_path), RaySection(port=port))


def test_free_ports_differ_and_avoid_what_is_wanted() -> None:
    found = ports.free_ports(20, avoid=range(40000, 50000))
    assert len(set(found)) == 20
    assert not any(40000 <= port < 50000 for port in found)


def test_a_config_error_of_a_constructor_is_told_as_it_is() -> None:
    text = (
        "The actor died because of an error raised in its creation task, ray::store@m:Store.__init__() (pid=1)\n"
        '  File "base.py", line 34, in __init__\n'
        "kube_actors.api.errors.ConfigError: cannot listen on 127.0.0.1:7: the port is in use\n"
    )
    assert creation_error(Exception(text)) == "cannot listen on 127.0.0.1:7: the port is in use"


def test_another_error_of_a_constructor_is_its_last_line() -> None:
    text = "The actor died because of an error raised in its creation task, x\n  File y\nValueError: no\n"
    assert creation_error(Exception(text)) == "ValueError: no"


def test_an_actor_whose_process_died_has_no_error() -> None:
    assert creation_error(Exception("The actor is dead because its worker process has died.")) == ""


def test_a_host_without_kube_actors_says_so_in_one_line() -> None:
    text = "ray::installed_version() (pid=1)\n  File x\nModuleNotFoundError: No module named 'kube_actors'\n"
    assert task_error(Exception(text)) == "ModuleNotFoundError: No module named 'kube_actors'"
    assert task_error(TimeoutError()) == "TimeoutError"
