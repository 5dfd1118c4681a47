"""Fixtures: a small corpus, settings in a temporary home, fakes, and the real models and banks where they are at hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from ingest.index import build
from tests.fakes import WordEmbeddings
from tutor import settings as settings_module
from tutor.library import Library
from tutor.settings import Settings

# a busy machine must not fail a property; time is measured elsewhere
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")

BANK = """---
bank: tiny
title: 小题库
skills: [attention]
license: CC-BY-4.0
---

# 小题库

## 注意力

### 为什么缩放点积注意力要除以 √d_k？

- id: tiny-scale
- difficulty: 3
- aliases: 根号dk; why scale by sqrt(d_k)
- followups: tiny-heads
- sources: Vaswani et al. 2017

**参考答案**

除以 √d_k 是为了让点积的方差回到 1。点积的方差随维度线性增长，过大时 softmax 进入饱和区，梯度接近 0。

**得分点**

- [3] 点积的方差随维度线性增长
- [3] 点积过大会使 softmax 饱和，梯度接近 0
- [2] 除以 √d_k 之后点积的方差回到 1

**常见误区**

- [1] 点积的方差与维度无关

### 多头注意力为什么比单头好？

- id: tiny-heads
- difficulty: 3
- sources: Vaswani et al. 2017

**参考答案**

多个头在不同的子空间里各自学习一种关系，再拼接起来，表达能力更强，而总计算量与单头相近。

**得分点**

- [3] 多个头在不同子空间里学习不同的关系
- [1] 多头的总计算量与单头相近

## 显存

### LoRA 为什么省显存？

- id: tiny-lora
- difficulty: 4
- skills: peft
- sources: Hu et al. 2021 (arXiv:2106.09685)

**参考答案**

LoRA 冻结原权重，只训练两个低秩矩阵，所以梯度和优化器状态只需为很少的参数保存，显存大幅下降。

**得分点**

- [3] LoRA 冻结原权重，只训练低秩矩阵
- [2] 优化器状态只为少量参数保存

### KV cache 存的是什么？

- id: tiny-kv
- kind: choice
- difficulty: 2
- skills: serving
- sources: Pope et al. 2022
- answer: B

**选项**

- A. 每一层的权重
- B. 已经算过的 key 和 value
- C. 所有 token 的概率
- D. 优化器状态

**解析**

- A. 权重另外存放
- B. 解码时复用过去 token 的 key 和 value
- C. 概率用完即弃
- D. 推理没有优化器

### 7B 模型用 FP16 存权重要多少字节？

- id: tiny-weights
- kind: calculation
- difficulty: 2
- skills: memory
- sources: 基本换算

**已知**

- params = 7e9 (参数量)
- width = 2 B (每个参数的字节数)

**算式**

- total = params * width

**结果**

- total = 14 GB (± 2%)

**参考答案**

参数量乘以每个参数的字节数：70 亿乘以 2 字节是 140 亿字节，也就是 14 GB。
"""

OUTLINE = """# 别人的题库

## 注意力

### 基础

- 什么是自注意力机制？它如何工作？
- 多头注意力有什么好处？
- LoRA 的秩怎么选？
"""

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees or touches the settings and data of the person who runs it."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TUTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A corpus folder with one small bank."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "tiny.md").write_text(BANK, "utf-8")
    return folder


@pytest.fixture
def settings(corpus: Path) -> Settings:
    """Settings with a temporary home and the small corpus, without a language model."""
    return replace(settings_module.load(), corpus=corpus, engine="none")


@pytest.fixture
def embeddings() -> WordEmbeddings:
    return WordEmbeddings()


@pytest.fixture
def outline(tmp_path: Path) -> Path:
    """A bank file as people share them: questions without answers."""
    path = tmp_path / "others.md"
    path.write_text(OUTLINE, "utf-8")
    return path


@pytest.fixture
def library(settings: Settings, embeddings: WordEmbeddings):
    """The small corpus, indexed and open."""
    build(settings, embeddings)
    opened = Library(settings.index, embeddings)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def seeds() -> list[Path]:
    """The five real banks, when they lie beside the checkout."""
    found = sorted((SHARED / "seeds").glob("*.txt"))
    if len(found) != 5:
        pytest.skip("the real question banks are not beside the checkout")
    return found


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the real weights."""
    folder = settings_module.load().models
    if not (folder / "embeddinggemma-300m" / "model.safetensors").is_file():
        pytest.fail(f"the model weights are not in {folder}; run `tutor weights`")
    return folder
