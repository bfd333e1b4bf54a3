"""Header blocks: name and value pairs, compressed by one zlib stream for the life of a connection."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

# What a block may inflate to, and how many names may be in it.
MAX_BLOCK = 64 * 1024
MAX_NAMES = 256

_U32 = struct.Struct(">I")
# The words that the specification primes both zlib streams with: each with its length, then text without.
_WORDS = (
    "options,head,post,put,delete,trace,accept,accept-charset,accept-encoding,accept-language,accept-ranges,age,allow,"
    "authorization,cache-control,connection,content-base,content-encoding,content-language,content-length,"
    "content-location,content-md5,content-range,content-type,date,etag,expect,expires,from,host,if-match,"
    "if-modified-since,if-none-match,if-range,if-unmodified-since,last-modified,location,max-forwards,pragma,"
    "proxy-authenticate,proxy-authorization,range,referer,retry-after,server,te,trailer,transfer-encoding,upgrade,"
    "user-agent,vary,via,warning,www-authenticate,method,get,status,200 OK,version,HTTP/1.1,url,public,set-cookie,"
    "keep-alive,origin"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(_U32.pack(len(word)) + word.encode() for word in _WORDS.split(",")) + _TEXT.encode()

Headers = Mapping[str, str]


class HeaderError(ValueError):
    """A block that is no header block. The connection is lost with it: the zlib stream is out of step."""


class Compressor:
    """Blocks out, in the order in which they are sent."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(level=6, zdict=DICTIONARY)

    def encode(self, headers: Headers) -> bytes:
        pieces = [_U32.pack(len(headers))]
        for name, value in headers.items():
            for text in (name.lower(), value):
                data = text.encode()
                pieces += (_U32.pack(len(data)), data)
        return self._zlib.compress(b"".join(pieces)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class Decompressor:
    """Blocks in, in the order in which they come."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def decode(self, block: bytes) -> dict[str, str]:
        """Lower-case names and their values; several values of a name are separated by NUL. Raises HeaderError."""
        try:
            data = self._zlib.decompress(block, MAX_BLOCK)
        except zlib.error as error:
            raise HeaderError(f"the headers cannot be inflated: {error}") from None
        if self._zlib.unconsumed_tail or self._zlib.eof:
            raise HeaderError("the headers are too large, or their stream has ended")
        return _parse(data)


def _parse(data: bytes) -> dict[str, str]:
    count, offset = _number(data, 0)
    if count > MAX_NAMES:
        raise HeaderError(f"{count} headers in one block")
    headers: dict[str, str] = {}
    for _ in range(count):
        name, offset = _text(data, offset)
        value, offset = _text(data, offset)
        if not name or name in headers:
            raise HeaderError("a header's name is empty or comes twice")
        headers[name] = value
    if offset != len(data):
        raise HeaderError("bytes after the last header")
    return headers


def _number(data: bytes, offset: int) -> tuple[int, int]:
    if offset + 4 > len(data):
        raise HeaderError("a header block that ends too soon")
    return _U32.unpack_from(data, offset)[0], offset + 4


def _text(data: bytes, offset: int) -> tuple[str, int]:
    size, offset = _number(data, offset)
    if offset + size > len(data):
        raise HeaderError("a header that ends too soon")
    return data[offset : offset + size].decode("utf-8", "replace"), offset + size
