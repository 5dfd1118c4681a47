"""The index when things go wrong: kills, two indexers, readers during a build, files that are no banks.

`TUTOR_TEST_KILLS=50` kills as often as the acceptance asks for.
"""

import io
import os
import random
import signal
import threading
import time
import zipfile

import numpy as np
import pytest
from filelock import FileLock

from ingest.banks import add, remove
from ingest.index import build
from ingest.tables import MAX_RATIO
from tests.fakes import WordEmbeddings
from tests.test_index import start_add
from tutor.cli import main
from tutor.errors import BankError
from tutor.library import Library, current_version

KILLS = int(os.environ.get("TUTOR_TEST_KILLS", "4"))


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (2 * MAX_RATIO * 10_000))
    return out.getvalue()


NO_BANKS = {
    "malformed.jsonl": (b'{"question": "\xe9\xa2\x98", "answer": "x"}\n{"question": \n', "JSON"),
    "malformed.csv": (b"colour,shape\nred,round\n", "no column"),
    "huge.md": (b"- what?\n" * (50 * 2**20 // 8), "larger than"),
    "binary.md": (bytes(range(256)) * 40, "binary"),
    "wide.md": ("# 题库\n\n- 什么是量化？\n".encode("utf-16"), "UTF-16"),
    "bomb.xlsx": (bomb(), "ZIP bomb"),
    "broken.xlsx": (b"PK\x03\x04 no workbook", "ZIP"),
}


def recall_of_itself(snapshot) -> float:
    """Share of the vectors whose own text, or an equal one, is the first that a search for them finds."""
    ids, matrix = snapshot.store.vectors()
    place = {one: i for i, one in enumerate(ids)}
    found = [snapshot.store.search(row.tolist(), 1)[0][0] for row in matrix]
    return float(np.mean([matrix[place[one]] @ row > 0.999 for one, row in zip(found, matrix, strict=True)]))


def test_kills_at_random_moments_leave_an_index_that_opens_and_finds_everything(settings, embeddings, tmp_path):
    build(settings, embeddings)
    bank = tmp_path / "large.md"
    bank.write_text("# 大\n\n## 题\n\n" + "\n".join(f"- 第 {i} 个问题是什么意思？" for i in range(300)) + "\n", "utf-8")
    started = time.monotonic()
    assert start_add(settings, bank).wait(300) == 0
    whole = time.monotonic() - started
    remove(settings, embeddings, "large")
    moments = random.Random(7)
    outcomes = set()
    for _ in range(KILLS):
        process = start_add(settings, bank)
        time.sleep(moments.uniform(0.2, 1.05) * whole)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        library = Library(settings.index, embeddings)
        snapshot = library.snapshot()
        banks = {row["bank"] for row in snapshot.banks}
        assert recall_of_itself(snapshot) == 1.0
        assert snapshot.store.count() == sum(piece.embedded for piece in snapshot.chunks.values())
        library.close()
        outcomes.add(frozenset(banks))
        if "large" in banks:
            remove(settings, embeddings, "large")
    assert outcomes <= {frozenset({"tiny"}), frozenset({"tiny", "large"})}
    add(settings, embeddings, [bank])
    assert [path.name for path in settings.index.iterdir() if path.is_dir()] == [current_version(settings.index)]


def test_a_second_indexer_says_locked_and_fails(settings, outline, monkeypatch, capsys):
    monkeypatch.setenv("TUTOR_CORPUS", str(settings.corpus))
    settings.index.mkdir(parents=True)
    with FileLock(settings.index / ".lock"):
        code = main(["bank", "add", str(outline), "--json"])
    shown = capsys.readouterr()
    assert code == 1 and shown.out == "" and "locked" in shown.err and len(shown.err.strip().splitlines()) == 1


def test_two_indexers_at_once_never_both_write(settings, embeddings, tmp_path):
    build(settings, embeddings)
    bank = tmp_path / "large.md"
    bank.write_text("# 大\n\n## 题\n\n" + "\n".join(f"- 第 {i} 个问题是什么意思？" for i in range(300)) + "\n", "utf-8")
    processes = [start_add(settings, bank) for _ in range(2)]
    codes = sorted(process.wait(300) for process in processes)
    assert codes[0] == 0 and codes[1] in (0, 1)  # 0 when one was done before the other began
    library = Library(settings.index, embeddings)
    assert {row["bank"] for row in library.snapshot().banks} == {"tiny", "large"}
    assert recall_of_itself(library.snapshot()) == 1.0
    library.close()


def test_a_reader_sees_a_new_bank_within_a_second_of_the_swap(settings, embeddings, outline, library):
    seen: list[float] = []
    library.snapshot()

    def read() -> None:
        while not seen:
            if len(library.snapshot().banks) == 2:
                seen.append(time.time())
            time.sleep(0.02)

    reader = threading.Thread(target=read)
    reader.start()
    add(settings, WordEmbeddings(), [outline])
    reader.join(30)
    assert seen and seen[0] - (settings.index / "CURRENT").stat().st_mtime < 1.0


@pytest.mark.parametrize("name", NO_BANKS)
def test_what_is_no_bank_is_refused_with_one_message_and_the_index_is_untouched(settings, embeddings, tmp_path, name):
    build(settings, embeddings)
    before = {path: path.stat().st_mtime_ns for path in settings.index.rglob("*") if path.name != ".lock"}
    embeddings.embedded.clear()
    data, what = NO_BANKS[name]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BankError, match=what) as caught:
        add(settings, embeddings, [path])
    assert len(str(caught.value).splitlines()) == 1 and name in str(caught.value)
    assert embeddings.embedded == []
    assert {path: path.stat().st_mtime_ns for path in settings.index.rglob("*") if path.name != ".lock"} == before


@pytest.mark.seeds
def test_searches_over_the_seeds_agree_with_exact_search(settings, embeddings, seeds):
    add(settings, embeddings, seeds)
    library = Library(settings.index, embeddings)
    snapshot = library.snapshot()
    ids, matrix = snapshot.store.vectors()
    place = {one: i for i, one in enumerate(ids)}
    agreed = []
    for row in matrix[:: max(1, len(matrix) // 300)]:
        exact = matrix @ row
        fifth = np.sort(exact)[-5]
        found = snapshot.store.search(row.tolist(), 5)
        agreed.append(sum(exact[place[one]] >= fifth - 1e-5 for one, _ in found) / 5)
    library.close()
    assert np.mean(agreed) >= 0.99
