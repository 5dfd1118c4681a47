"""The index: built beside, verified, swapped; locked; nothing embedded twice; a crash leaves the old version serving."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from ingest.banks import add, remove
from ingest.index import build
from tests.fakes import WordEmbeddings
from tutor.errors import BankError, IndexFault, IndexLocked
from tutor.library import LAYOUT, Library, current_version, read_manifest
from tutor.records import Question


def content(settings, embeddings):
    library = Library(settings.index, embeddings)
    snapshot = library.snapshot()
    rows = (
        {item.id: item for item in snapshot.items.values()},
        set(snapshot.chunks),
        {row["bank"] for row in snapshot.banks},
    )
    library.close()
    return rows


def test_twice_is_once(settings, embeddings):
    first = build(settings, embeddings)
    embedded = len(embeddings.embedded)
    second = build(settings, embeddings)
    assert first.changed and not second.changed
    assert first.version == second.version
    assert len(embeddings.embedded) == embedded


def test_adding_a_bank_embeds_only_its_own_texts(settings, embeddings, outline):
    build(settings, embeddings)
    embeddings.embedded.clear()
    report = add(settings, embeddings, [outline])
    assert {row["bank"] for row in report.banks} == {"tiny", "others"}
    assert len(embeddings.embedded) == report.embedded == 3
    again = add(settings, embeddings, [outline])
    assert not again.changed and len(embeddings.embedded) == 3


def test_the_order_of_banks_does_not_matter(settings, embeddings, outline, tmp_path):
    other = tmp_path / "more.md"
    other.write_text("# 更多\n\n## 训练\n\n- 什么是梯度裁剪？\n- 什么是学习率预热？\n- 什么是权重衰减？\n", "utf-8")
    add(settings, embeddings, [outline])
    add(settings, embeddings, [other])
    one = content(settings, embeddings)
    reversed_home = replace(settings, home=tmp_path / "second")
    add(reversed_home, embeddings, [other])
    add(reversed_home, embeddings, [outline])
    assert content(reversed_home, embeddings) == one


def test_removal_leaves_nothing_behind(settings, embeddings, outline):
    build(settings, embeddings)
    before = content(settings, embeddings)
    add(settings, embeddings, [outline])
    remove(settings, embeddings, "others")
    assert content(settings, embeddings) == before
    files = [path for path in settings.home.rglob("*") if path.is_file()]
    assert not [path for path in files if "自注意力".encode() in path.read_bytes()]
    versions = [path.name for path in settings.index.iterdir() if path.is_dir()]
    assert versions == [current_version(settings.index)]


def test_a_broken_bank_changes_nothing(settings, embeddings, outline, tmp_path):
    build(settings, embeddings)
    before = current_version(settings.index)
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"question": "好的题目？", "answer": "答案"}\n{不是 JSON}\n', "utf-8")
    with pytest.raises(BankError, match=r"broken\.jsonl:2"):
        add(settings, embeddings, [outline, broken])
    assert current_version(settings.index) == before


def test_removing_an_unknown_bank_says_which_there_are(settings, embeddings, outline):
    add(settings, embeddings, [outline])
    with pytest.raises(BankError, match="others"):
        remove(settings, embeddings, "nosuch")


def test_a_second_indexer_is_told_that_it_is_locked(settings, embeddings):
    settings.index.mkdir(parents=True)
    with FileLock(settings.index / ".lock"), pytest.raises(IndexLocked, match="locked"):
        build(settings, embeddings)


def test_a_running_reader_sees_the_new_version_at_its_next_question(settings, embeddings, outline, library):
    assert len(library.snapshot().questions()) == 5
    add(settings, embeddings, [outline])
    assert len(library.snapshot().questions()) == 8


@pytest.mark.parametrize("key", ["model", "dtype", "sha256"])
def test_an_index_of_another_embedding_is_refused(settings, embeddings, key):
    build(settings, embeddings)
    manifest = settings.index / current_version(settings.index) / "manifest.json"
    content = json.loads(manifest.read_text("utf-8"))
    content["embedding"][key] = "other"
    manifest.write_text(json.dumps(content), "utf-8")
    with pytest.raises(IndexFault, match="rebuild"):
        Library(settings.index, embeddings).snapshot()


def test_an_index_of_another_layout_is_refused(settings, embeddings):
    build(settings, embeddings)
    manifest = settings.index / current_version(settings.index) / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace(f'"layout": {LAYOUT}', '"layout": 0'), "utf-8")
    with pytest.raises(IndexFault, match="layout"):
        Library(settings.index, embeddings).snapshot()


def test_no_index_says_what_to_run(settings, embeddings):
    with pytest.raises(IndexFault, match="tutor index"):
        Library(settings.index, embeddings).snapshot()


def test_records_survive_the_trip_through_the_index(library):
    question = library.snapshot().question("tiny-weights")
    assert isinstance(question, Question)
    assert question.calculation is not None and question.calculation.results[0].value == 14
    assert library.snapshot().question("tiny-kv").options[1].explanation
    assert library.snapshot().question("tiny-scale").misconceptions[0].point == 1


def test_the_store_agrees_with_exact_search(library, embeddings):
    snapshot = library.snapshot()
    ids, matrix = snapshot.store.vectors()
    for row in matrix:
        exact = {ids[i] for i in (-(matrix @ row)).argsort(kind="stable")[:5]}
        near = dict(snapshot.store.search(row.tolist(), 5))
        worst = min((matrix @ row)[ids.index(one)] for one in exact)
        assert all(score >= worst - 1e-4 for score in near.values())


KILLED = """
import sys, time
from dataclasses import replace
from pathlib import Path
from ingest.banks import add
from tests.fakes import WordEmbeddings
from tutor import settings

class Slow(WordEmbeddings):
    def embed_documents(self, texts):
        time.sleep(0.02)
        return super().embed_documents(texts)

home, corpus, bank = map(Path, sys.argv[1:])
add(replace(settings.load(), home=home, corpus=corpus), Slow(), [bank])
"""


def test_a_kill_at_any_moment_leaves_the_old_version_serving(settings, embeddings, tmp_path):
    build(settings, embeddings)
    before = current_version(settings.index)
    bank = tmp_path / "large.md"
    bank.write_text("# 大\n\n## 题\n\n" + "\n".join(f"- 第 {i} 个问题是什么意思？" for i in range(300)) + "\n", "utf-8")
    started = time.monotonic()
    process = start_add(settings, bank)
    assert process.wait(120) == 0
    whole = time.monotonic() - started
    remove(settings, embeddings, "large")
    for step in range(6):
        process = start_add(settings, bank)
        time.sleep(whole * (0.45 + 0.1 * step))
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        snapshot = Library(settings.index, embeddings)
        opened = snapshot.snapshot()
        ids, matrix = opened.store.vectors()
        assert len(ids) == sum(1 for piece in opened.chunks.values() if piece.embedded)
        assert all(opened.store.search(matrix[i].tolist(), 1)[0][1] > 0.999 for i in range(0, len(ids), 7))
        snapshot.close()
        if "large" in {row["bank"] for row in opened.banks}:
            remove(settings, embeddings, "large")
    build(settings, embeddings)
    assert read_manifest(settings.index / current_version(settings.index))["banks"][0]["bank"] == "tiny"
    assert before is not None


def start_add(settings, bank: Path) -> subprocess.Popen:
    root = Path(__file__).resolve().parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(settings.home), str(settings.corpus), str(bank)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_a_full_disk_leaves_the_old_version_and_says_so(settings, outline):
    class Full(WordEmbeddings):
        def embed_documents(self, texts):
            raise OSError(28, "No space left on device")

    build(settings, WordEmbeddings())
    before = current_version(settings.index)
    with pytest.raises(IndexFault, match="disk is full"):
        add(settings, Full(), [outline])
    assert current_version(settings.index) == before
    assert not [path for path in settings.index.iterdir() if path.name.endswith(".partial")]
