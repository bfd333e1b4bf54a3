"""What a container's tar says is made where the user wants it, and nowhere else."""

from __future__ import annotations

import io
import stat
import tarfile
from pathlib import Path

import pytest

from kube_actors_cli.copy import unpack


def archive(*members: tuple[str, bytes, str, int]) -> tarfile.TarFile:
    """(name, type, content or target of a link, mode)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as written:
        for name, kind, content, mode in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.mtime = kind, mode, 1_000_000
            if entry.isreg():
                entry.size = len(content)
            else:
                entry.linkname = content
            written.addfile(entry, io.BytesIO(content.encode()) if entry.isreg() else None)
    buffer.seek(0)
    return tarfile.open(fileobj=buffer)


def file(name: str, content: str = "x", mode: int = 0o644) -> tuple[str, bytes, str, int]:
    return name, tarfile.REGTYPE, content, mode


def folder(name: str) -> tuple[str, bytes, str, int]:
    return name, tarfile.DIRTYPE, "", 0o000


def symbolic(name: str, target: object) -> tuple[str, bytes, str, int]:
    return name, tarfile.SYMTYPE, str(target), 0o777


def hard(name: str, target: object) -> tuple[str, bytes, str, int]:
    return name, tarfile.LNKTYPE, str(target), 0o644


def test_a_tree_is_copied(tmp_path: Path) -> None:
    members = (folder("d"), folder("d/sub"), file("d/sub/run", "#!", 0o6777), file("d/none", "y", 0o000),
               symbolic("d/sub/up", "../none"), hard("d/same", "d/none"), file("d/../other"))  # fmt: skip
    unpack(archive(*members), "d", tmp_path / "new/back")
    back = tmp_path / "new/back"
    assert sorted(str(each.relative_to(back)) for each in back.rglob("*")) == [
        "none", "same", "sub", "sub/run", "sub/up",
    ]  # fmt: skip
    assert (back / "sub/up").read_text() == (back / "same").read_text() == "y"
    modes = {name: stat.S_IMODE((back / name).stat().st_mode) for name in ("sub/run", "none")}
    assert modes == {"sub/run": 0o755, "none": 0o600}
    assert (back / "none").stat().st_mtime == 1_000_000


def test_into_a_folder_that_is_there_under_its_own_name_and_over_a_file(tmp_path: Path) -> None:
    unpack(archive(file("f", "old")), "f", tmp_path)
    unpack(archive(file("f", "new")), "f", tmp_path)
    unpack(archive(file("f", "named")), "f", tmp_path / "g")
    assert [(tmp_path / name).read_text() for name in ("f", "g")] == ["new", "named"]


@pytest.mark.parametrize(
    "members",
    [
        (folder("d"), symbolic("d/l", "{mine}"), file("d/l/new")),
        (folder("d"), symbolic("d/l", "../mine"), file("d/l/new")),
        (folder("d"), symbolic("d/a", "b/../../mine"), file("d/a/new")),
        (folder("d"), symbolic("d/l", "."), symbolic("d/m", "l/../../mine"), file("d/m/new")),
        (folder("d"), hard("d/l", "{mine}/secret"), file("d/l", "changed")),
        (folder("d"), hard("d/l", "d/../../mine/secret"), file("d/l", "changed")),
        (folder("d"), ("d/tty", tarfile.CHRTYPE, "", 0o666), ("d/pipe", tarfile.FIFOTYPE, "", 0o666)),
        (symbolic("d", "{mine}"), file("d/new")),
    ],
)
def test_nothing_is_made_or_linked_elsewhere(
    tmp_path: Path, members: tuple[tuple[str, bytes, str, int], ...], capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "secret").write_text("secret")
    filled = [(name, kind, content.format(mine=mine), mode) for name, kind, content, mode in members]
    unpack(archive(*filled), "d", tmp_path / "back")
    assert "warning: skipping" in capsys.readouterr().err
    assert [each.name for each in mine.iterdir()] == ["secret"]
    assert (mine / "secret").read_text() == "secret"
    assert (mine / "secret").stat().st_nlink == 1
    for each in (tmp_path / "back").rglob("*"):
        assert each.resolve().is_relative_to(tmp_path / "back")
        assert each.is_file() or each.is_dir()
