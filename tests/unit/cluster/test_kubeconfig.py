"""The kubeconfig file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from kube_actors.api.errors import ConfigError
from kube_actors.cluster.kubeconfig import Kubeconfig, read

SAMPLE = Kubeconfig("east", "https://127.0.0.1:6443", b"CA", "kubernetes-admin", b"CERT", b"KEY", "127.0.0.1:6444")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    SAMPLE.write(tmp_path / "kubeconfig")
    assert read(tmp_path / "kubeconfig") == SAMPLE


def test_the_file_is_for_its_owner_alone_even_where_a_wider_one_was(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("old")
    path.chmod(0o644)
    SAMPLE.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_has_the_shape_that_kubectl_reads(tmp_path: Path) -> None:
    SAMPLE.write(tmp_path / "kubeconfig")
    content = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    assert content["kind"] == "Config"
    (context,) = content["contexts"]
    assert context["name"] == content["current-context"] == "kube-actors-east"
    assert content["clusters"][0]["name"] == context["context"]["cluster"]
    assert content["users"][0]["name"] == context["context"]["user"]
    assert content["users"][0]["user"]["client-certificate-data"] == "Q0VSVA=="


def test_the_key_does_not_show_in_a_repr() -> None:
    assert "KEY" not in repr(SAMPLE)


@pytest.mark.parametrize("content", ["", "[]", "a: [", "current-context: x", "current-context: x\ncontexts: []"])
def test_a_file_that_is_none_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "k").write_text(content)
    with pytest.raises(ConfigError, match="is no kubeconfig") as caught:
        read(tmp_path / "k")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the kubeconfig .*gone: No such file"):
        read(tmp_path / "gone")
