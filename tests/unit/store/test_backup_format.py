"""A backup file says back what was put in, or says that it is damaged; it never says something else."""

from __future__ import annotations

import io
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_actors.store.backup import format as backup_format
from kube_actors.store.backup.format import BackupError, Damaged, Header, KeptFile, LeaseGrant, Record
from kube_actors.store.backup.reader import BackupReader, check
from kube_actors.store.backup.spool import Spool
from kube_actors.store.backup.writer import BackupWriter
from kube_actors.store.errors import KV

REVISIONS = st.integers(0, 2**62)
KEYS = st.builds(
    KV, st.binary(min_size=1, max_size=40), st.binary(max_size=300), REVISIONS, REVISIONS, REVISIONS, REVISIONS
)
LEASES = st.builds(LeaseGrant, st.integers(-(2**63), 2**63 - 1), st.integers(-1, 2**40))
FILES = st.builds(KeptFile, st.sampled_from(["token", "pki/ca.crt", "pki/sa.key"]), st.binary(max_size=100))
RECORDS = st.lists(st.one_of(KEYS, LEASES, FILES), max_size=30)
HEADERS = st.builds(
    Header, REVISIONS, st.just("2026-01-02T03:04:05Z"), st.text(max_size=20), st.sampled_from(["zlib", "none"])
)


def written(header: Header, records: list[Record]) -> bytes:
    file = io.BytesIO()
    writer = BackupWriter(file, header)
    writer.add(records)
    writer.finish()
    return file.getvalue()


def read(content: bytes) -> tuple[Header, list[Record]]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        with BackupReader(Path(file.name)) as reader:
            return reader.header, list(reader.records())


@given(HEADERS, RECORDS)
def test_what_is_written_is_read_again(header: Header, records: list[Record]) -> None:
    assert read(written(header, records)) == (header, records)


@given(RECORDS, st.integers(64, 600))
def test_records_of_many_blocks_stay_in_order(records: list[Record], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kube_actors.store.backup.writer.BLOCK_BYTES", block)
        content = written(Header(1, "now"), records)
    assert read(content)[1] == records


@settings(max_examples=200)
@given(HEADERS, RECORDS, st.data())
def test_no_altered_byte_goes_unnoticed(header: Header, records: list[Record], data: st.DataObject) -> None:
    content = bytearray(written(header, records))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BackupError):
        read(bytes(content))


@given(HEADERS, RECORDS, st.data())
def test_no_missing_or_added_end_goes_unnoticed(header: Header, records: list[Record], data: st.DataObject) -> None:
    content = written(header, records)
    cut = data.draw(st.integers(0, len(content) - 1))
    for altered in (content[:cut], content + b"x"):
        with pytest.raises(BackupError):
            read(altered)


def test_other_files_and_versions_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in (b"", b"hello", b"KABACKU", b"\0" * 1000):
        path.write_bytes(content)
        with pytest.raises(BackupError, match="is no backup of kactl"):
            check(path)
    path.write_bytes(struct.pack(">8sHI", b"KABACKUP", 2, 2) + b"{}")
    with pytest.raises(BackupError, match="has format version 2, this program reads 1: use the kactl that wrote it"):
        check(path)
    with pytest.raises(BackupError, match=r"cannot read .*: No such file"):
        check(tmp_path / "none")
    with pytest.raises(BackupError, match=r"cannot read .*: Is a directory"):
        check(tmp_path)


def test_a_file_may_not_be_named_out_of_the_folder(tmp_path: Path) -> None:
    for name in ("../x", "/etc/passwd", "pki/../../x", "pki/.hidden", "a//b"):
        (tmp_path / "a").write_bytes(written(Header(1, "now"), [KeptFile(name, b"x")]))
        with pytest.raises(Damaged, match="it names a file"):
            check(tmp_path / "a")


def test_a_block_that_claims_to_be_huge_costs_nothing(tmp_path: Path) -> None:
    content = written(Header(1, "now"), [])
    end = backup_format.BLOCK.size + backup_format.COUNTS.size + backup_format.DIGEST_BYTES
    (tmp_path / "a").write_bytes(content[:-end] + struct.pack(">II", 0xFFFFFFFF, 0xFFFFFFFF))
    with pytest.raises(Damaged, match="a block's length is impossible"):
        check(tmp_path / "a")


@given(st.lists(KEYS, max_size=50))
def test_the_spool_gives_the_oldest_write_first_and_keeps_neighbours_in_order(kvs: list[KV]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool", len(kvs), sum(len(kv.key) + len(kv.value) for kv in kvs))
        try:
            spool.add(kvs)
            assert list(spool.sorted()) == sorted(kvs, key=lambda kv: kv.mod_revision)
        finally:
            spool.close()
        assert list(Path(folder).iterdir()) == []
