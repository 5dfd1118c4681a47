"""Indexing: what a bank of a thousand short questions costs beside its embedding, and that the same file costs nothing twice.

The corpus is indexed beforehand, in a data folder of the measurement's own; vectors that the learner's index has are copied.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eval.results import save
from ingest.banks import add
from ingest.index import IndexReport, build
from tutor.assembly import open_embeddings
from tutor.settings import Settings

_THINGS = (
    "注意力头 学习率 检查点 词表 梯度 激活值 适配器 奖励模型 检索器 缓存 专家 批次 损失 嵌入 分片 流水线 内核"
    " 提示 数据集 量化"
)
_ASPECTS = "初始值 上限 更新频率 存放位置 切分方式 误差来源 监控指标 默认设置 回滚步骤 测试方法"
_FORMS = "{}的{}怎么定？ 为什么要关心{}的{}？ 线上{}的{}出了问题先看什么？ 怎样比较两种{}的{}？ {}的{}会随规模怎样变？"


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Print seconds of the two adds and the share of the first that is embedding."""
    parser = argparse.ArgumentParser(prog="tutor eval indexing")
    parser.add_argument("--questions", type=int, default=1000, help="size of the bank, at most 1000")
    options = parser.parse_args(list(arguments))
    embeddings = open_embeddings(settings)
    embeddings.embed_query("热身")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        if (settings.home / "cache").is_dir():
            shutil.copytree(settings.home / "cache", home / "cache")
        own = replace(settings, home=home)
        build(own, embeddings)
        bank = Path(folder) / "thousand.md"
        bank.write_text("# 一千题\n\n" + "".join(f"- {text}\n" for text in _questions(options.questions)), "utf-8")
        first, second = add(own, embeddings, [bank]), add(own, embeddings, [bank])
    numbers = {"first": _row(first), "second": _row(second), "embedding_share": round(first.embed_seconds / first.seconds, 4)}
    for name, value in numbers.items():
        print(f"{name:18}{value}")
    print(f"written to {save('indexing', numbers)}")
    return 0


def _questions(count: int) -> list[str]:
    texts = [form.format(thing, aspect) for form in _FORMS.split() for thing in _THINGS.split() for aspect in _ASPECTS.split()]
    return random.Random(0).sample(texts, min(count, len(texts)))


def _row(report: IndexReport) -> dict[str, float]:
    return {"embedded": report.embedded, "embed_seconds": round(report.embed_seconds, 2), "seconds": round(report.seconds, 2)}
