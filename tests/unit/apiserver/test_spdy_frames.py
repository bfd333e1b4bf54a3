"""The SPDY codec: what is written is read again in pieces of any size; broken bytes are refused in bounded memory."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.apiserver.spdy import frames
from kube_actors.apiserver.spdy.frames import FrameReader, FrameWriter, ProtocolError
from kube_actors.apiserver.spdy.headers import DICTIONARY, MAX_BLOCK, Compressor, Decompressor, HeaderError

STREAMS = st.integers(1, 0x7FFFFFFF)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)
HEADERS = st.dictionaries(NAMES, st.text(st.characters(codec="utf-8"), max_size=40), max_size=6)
WORDS = st.integers(0, 0xFFFFFFFF)
CONTROL = st.one_of(
    st.builds(
        frames.SynStream,
        STREAMS,
        HEADERS,
        st.booleans(),
        st.booleans(),
        st.integers(0, 0x7FFFFFFF),
        st.integers(0, 7),
    ),
    st.builds(frames.SynReply, STREAMS, HEADERS, st.booleans()),
    st.builds(frames.MoreHeaders, STREAMS, HEADERS, st.booleans()),
    st.builds(frames.Reset, STREAMS, WORDS),
    st.builds(frames.Settings, st.lists(st.tuples(st.integers(0, 0xFFFFFF), WORDS), max_size=4).map(tuple)),
    st.builds(frames.Ping, WORDS),
    st.builds(frames.GoAway, STREAMS, WORDS),
    st.builds(frames.WindowUpdate, st.integers(0, 0x7FFFFFFF), st.integers(0, 0x7FFFFFFF)),
)
DATA = st.builds(frames.Data, STREAMS, st.binary(max_size=200), st.booleans())


def joined(found: list[frames.Frame]) -> list[frames.Frame]:
    """Pieces of a data frame as one: a piece that is not followed by its end belongs to the next."""
    whole: list[frames.Frame] = []
    for frame in found:
        last = whole[-1] if whole else None
        if isinstance(frame, frames.Data) and isinstance(last, frames.Data) and last.stream == frame.stream:
            whole[-1] = frames.Data(frame.stream, last.data + frame.data, frame.fin)
        else:
            whole.append(frame)
    return whole


@given(st.lists(st.one_of(CONTROL, DATA), max_size=12), st.integers(1, 64))
def test_frames_are_read_again_in_pieces_of_any_size(written: list[frames.Frame], size: int) -> None:
    writer, reader = FrameWriter(), FrameReader()
    data = b"".join(writer.encode(frame) for frame in written)
    found = [frame for start in range(0, len(data), size) for frame in reader.feed(data[start : start + size])]
    # Data frames of one stream that follow each other cannot be told from pieces of one; their bytes are the same.
    assert joined(found) == joined(written)


@given(st.binary(max_size=400))
def test_bytes_of_any_kind_are_read_or_refused(data: bytes) -> None:
    reader = FrameReader()
    try:
        for byte in range(0, len(data), 7):
            reader.feed(data[byte : byte + 7])
    except ProtocolError:
        return


@given(st.lists(CONTROL, min_size=1, max_size=5), st.data())
def test_a_damaged_connection_is_read_or_refused(written: list[frames.Frame], choice: st.DataObject) -> None:
    writer, reader = FrameWriter(), FrameReader()
    data = bytearray(b"".join(writer.encode(frame) for frame in written))
    data[choice.draw(st.integers(0, len(data) - 1))] ^= choice.draw(st.integers(1, 255))
    try:
        reader.feed(bytes(data))
    except ProtocolError:
        return


def test_the_dictionary_is_the_one_of_the_specification() -> None:
    # Every zlib stream of a SPDY/3 peer names it by this checksum.
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


def test_a_control_frame_that_could_not_be_kept_is_refused_by_its_head() -> None:
    with pytest.raises(ProtocolError, match="a control frame of 16777215 bytes"):
        FrameReader().feed(b"\x80\x03\x00\x01\x00\xff\xff\xff")


def test_a_data_frame_of_any_size_is_given_on_piece_by_piece() -> None:
    reader = FrameReader()
    assert reader.feed(b"\x00\x00\x00\x01\x01\xff\xff\xff") == []
    for _ in range(255):
        (piece,) = reader.feed(b"x" * 65536)
        assert piece == frames.Data(1, b"x" * 65536)
    assert reader.feed(b"x" * 65535) == [frames.Data(1, b"x" * 65535, fin=True)]


def test_headers_that_inflate_without_end_are_refused() -> None:
    bomb = Compressor()._zlib
    block = bomb.compress(b"\0" * 100 * MAX_BLOCK) + bomb.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(HeaderError, match="too large"):
        Decompressor().decode(block)


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"\0\0\0", "ends too soon"),
        (b"\0\0\0\1\0\0\0\1a", "ends too soon"),
        (b"\0\0\0\1\0\0\0\1a\0\0\0\7b", "ends too soon"),
        (b"\0\0\0\0x", "after the last"),
        (b"\0\0\0\1\0\0\0\0\0\0\0\0", "empty or comes twice"),
        (b"\0\1\0\0", "65536 headers"),
    ],
)
def test_blocks_that_are_none_are_refused(raw: bytes, complaint: str) -> None:
    zipper = zlib.compressobj(zdict=DICTIONARY)
    with pytest.raises(HeaderError, match=complaint):
        Decompressor().decode(zipper.compress(raw) + zipper.flush(zlib.Z_SYNC_FLUSH))
