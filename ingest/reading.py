"""Bytes of a bank file to text, within bounds: size, encoding, and what is no text at all."""

from __future__ import annotations

import codecs
from pathlib import Path

from charset_normalizer import from_bytes

from tutor.errors import BankError, Problem

MAX_BYTES = 20 * 1024 * 1024

_WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MAGIC = {
    b"%PDF": "a PDF; extract its text first",
    b"PK\x03\x04": "a ZIP archive (or an Office file other than .xlsx); unpack it, or save it as text",
    b"\xd0\xcf\x11\xe0": "an old Office file; save it as .xlsx, .csv or Markdown",
    b"\x1f\x8b": "compressed; unpack it first",
}
_BROKEN_SHARE = 0.1


def read_bytes(path: Path) -> bytes:
    """Read a file of a bank.

    :raises BankError: it is missing, a folder, unreadable, empty, or larger than 20 MB.
    """
    try:
        if path.is_dir():
            raise _refuse(path, "this is a folder; name the bank files in it")
        if path.stat().st_size > MAX_BYTES:
            raise _refuse(path, f"larger than {MAX_BYTES // 2**20} MB; split it")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise _refuse(path, "there is no such file") from error
    except (OSError, ValueError) as error:
        raise _refuse(path, f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not data.strip(b" \t\r\n\x0b\x0c\xef\xbb\xbf"):
        raise _refuse(path, "the file is empty")
    return data


def decode(path: Path, data: bytes) -> tuple[str, list[Problem]]:
    """Decode the bytes of a text file; a Chinese legacy encoding is accepted and noted as a problem.

    :raises BankError: it is not text, or not in an encoding that can be told.
    """
    for magic, what in _MAGIC.items():
        if data.startswith(magic):
            raise _refuse(path, f"this is {what}")
    if data.startswith(_WIDE) or _looks_wide(data):
        raise _refuse(path, "encoded as UTF-16 or UTF-32; save it as UTF-8")
    if b"\0" in data:
        raise _refuse(path, "a binary file, not text")
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        loose = data.decode("utf-8", errors="replace")
    foreign = sum(ord(char) > 127 for char in loose)
    if loose.count("\ufffd") <= _BROKEN_SHARE * foreign:
        raise BankError(str(path), [Problem(line, "bytes that are not valid UTF-8; correct them or save it as UTF-8")])
    best = from_bytes(data, cp_isolation=["gb18030", "big5"]).best()
    if best is None:
        raise BankError(str(path), [Problem(line, "not UTF-8 and no known Chinese encoding; save it as UTF-8")])
    return str(best), [Problem(0, f"encoded as {best.encoding}, not UTF-8; read all the same")]


def _looks_wide(data: bytes) -> bool:
    """Whether every other byte of the start is mostly NUL: ASCII text in UTF-16 without a mark."""
    start = data[:400]
    pairs = len(start) // 2
    return pairs >= 2 and max(start[::2].count(0), start[1::2].count(0)) > 0.6 * pairs


def _refuse(path: Path, what: str) -> BankError:
    return BankError(str(path), [Problem(0, what)])
