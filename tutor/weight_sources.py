"""Where the bytes of a model can come from: here a local folder and the hub; `weight_wheels` has the third source.

Each source is a generator that yields every pinned file once it lies in its place with the pinned hash, and raises
SourceFailed when it cannot go on. What is not finished stays in `FILE.partial`, from which any source continues: the
pinned hash decides, not the source. Knows nothing of which models the tutor needs or of the record of verified files.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

BLOCK = 1 << 20
TRIES = 3

Progress = Callable[[int], object]


class SourceFailed(Exception):
    """This source cannot deliver; the next one is tried."""


class Unreachable(SourceFailed):
    """The host of this source does not answer at all; asking it for other models is pointless."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A file of a model: its path inside the model's folder, its size, its hash."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    """A member of a wheel that holds a piece of the model."""

    requirement: str
    member: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the manifest pins it.

    :ivar folder: folder under the weights folder; empty when the model is one file.
    :ivar join: what the parts make: "file" (the only file) or "zip" (an archive; `parts` are then last first).
    :ivar root: folder inside that archive.
    """

    name: str
    title: str
    licence: str
    folder: str
    hub: tuple[str, ...]
    files: tuple[Pinned, ...]
    join: str
    root: str
    parts: tuple[Part, ...]


def file_hash(path: Path, seen: Progress | None = None) -> str:
    """SHA-256 of a file, in hexadecimal; `seen` is told the bytes of each block read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            if seen:
                seen(len(block))
    return digest.hexdigest()


def bar(title: str, total: int, initial: int = 0) -> tqdm[NoReturn]:
    """Build a progress bar on standard error; in a log that is no terminal it writes rarely."""
    interval = 0.2 if sys.stderr.isatty() else 15.0
    return tqdm(total=total, initial=initial, desc=title, unit="B", unit_scale=True, unit_divisor=1024,
                mininterval=interval, maxinterval=max(interval, 10.0), file=sys.stderr, leave=total > BLOCK)


def from_folder(source: Path, model: Model, missing: Sequence[Pinned], folder: Path) -> Iterator[Pinned]:
    """Copy files from a folder that holds them by name, with or without the model's own folder."""
    for pinned in missing:
        candidates = [source / model.folder / pinned.path, source / pinned.path]
        found = next((path for path in candidates if path.is_file() and path.stat().st_size == pinned.size), None)
        if found is None:
            raise SourceFailed(f"{source} has no {pinned.path} of {pinned.size} bytes")
        partial = partial_of(folder / pinned.path)
        with bar(f"{model.name} (folder)", pinned.size) as shown, found.open("rb") as read, partial.open("wb") as write:
            while block := read.read(BLOCK):
                write.write(block)
                shown.update(len(block))
        settle(partial, folder / pinned.path, pinned, str(found))
        yield pinned


def from_hub(
    endpoint: str | None, repo: str, model: Model, missing: Sequence[Pinned], folder: Path
) -> Iterator[Pinned]:
    """Download files of a hub repository over HTTPS, continuing what is there.

    Small files come first, so that a repository whose files differ from ours is found out before the large ones.

    :param endpoint: address of the hub; None for the user's own setting.
    """
    from huggingface_hub import get_token, hf_hub_url

    for pinned in sorted(missing, key=lambda pinned: pinned.size):
        url = hf_hub_url(repo, pinned.path, endpoint=endpoint)
        partial = partial_of(folder / pinned.path)
        if partial.exists() and partial.stat().st_size > pinned.size:
            partial.unlink()
        have = partial.stat().st_size if partial.exists() else 0
        partial.touch()
        with bar(f"{model.name} (hub)", pinned.size, have) as shown, partial.open("r+b") as file:
            tries = 0
            while have < pinned.size and tries < TRIES:
                before = have
                for offset, block in _ranges(url, have, pinned, get_token()):
                    file.seek(offset)
                    file.write(block)
                    have = offset + len(block)
                    shown.update(have - shown.n)
                file.truncate(have)
                tries = 0 if have > before else tries + 1
        if have < pinned.size:
            raise SourceFailed(f"{url} broke off at {have} of {pinned.size} bytes")
        settle(partial, folder / pinned.path, pinned, url)
        yield pinned


def partial_of(final: Path) -> Path:
    """Where a file grows until it is complete; its folder exists then."""
    final.parent.mkdir(parents=True, exist_ok=True)
    return final.with_name(final.name + ".partial")


def settle(partial: Path, final: Path, pinned: Pinned, origin: str) -> None:
    """Move a complete file to its place if it is the pinned one, and delete it if it is not."""
    found = file_hash(partial)
    if found != pinned.sha256:
        partial.unlink()
        raise SourceFailed(f"{pinned.path} of {origin} has SHA-256 {found}, pinned is {pinned.sha256}")
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(partial, final)


def _ranges(url: str, have: int, pinned: Pinned, token: str | None) -> Iterator[tuple[int, bytes]]:
    """Yield the rest of a file as (offset, block); ends early when the connection breaks."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    if token:  # for gated repositories; must not follow a redirection to the storage host
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        response = urllib.request.urlopen(request, timeout=15)
    except urllib.error.HTTPError as error:
        error.close()
        raise SourceFailed(f"{url} answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{url} cannot be reached ({getattr(error, 'reason', error)})") from error
    with response:
        offset = have if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        if length is not None and offset + int(length) != pinned.size:
            raise SourceFailed(f"{url} is not the pinned file: {offset + int(length)} bytes instead of {pinned.size}")
        while offset < pinned.size:
            try:
                block = response.read(BLOCK)
            except (OSError, http.client.HTTPException):
                return
            if not block:
                return
            yield offset, block
            offset += len(block)
