"""Which questions ask the same thing, and which reference answers a question that has none of its own. Pure.

Candidates come from the vectors; the decision rests on three things that can be shown to the learner: what the two
questions are about (their technical names must agree), what they ask about it (definition, reason, comparison...), and
how near their wordings are. Neighbours that differ in one decisive word (梯度消失 / 梯度爆炸, Pre-LN / Post-LN) are kept apart
by their names, however near their vectors lie.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tutor.aliases import groups
from tutor.followups import subjects
from tutor.records import Chunk, Link, Question

SAME, COVERS = 0.80, 0.66
"""Scores from which a pair is taken to ask the same thing, and from which a reference is taken to cover a question."""
_NEIGHBOURS = 12
_CONTRASTS = (
    ("消失", "爆炸"),
    ("pre", "post"),
    ("前置", "后置"),
    ("mqa", "gqa", "mha", "mla"),
    ("fp16", "bf16", "fp32", "fp8", "tf32", "int8", "int4"),
    ("编码器", "解码器"),
    ("encoder", "decoder"),
    ("绝对", "相对"),
    ("训练", "推理"),
    ("优点", "缺点"),
    ("优势", "劣势", "局限"),
    ("数据并行", "模型并行", "张量并行", "流水线并行", "序列并行", "专家并行"),
    ("dp", "ddp", "fsdp"),
    ("zero-1", "zero-2", "zero-3"),
    ("bleu", "rouge"),
    ("过拟合", "欠拟合"),
    ("离线", "在线"),
    ("同步", "异步"),
    ("稀疏", "稠密", "线性"),
    ("top-k", "top-p"),
    ("layernorm", "batchnorm", "rmsnorm", "deepnorm", "groupnorm"),
    ("relu", "gelu", "swish", "swiglu", "geglu"),
    ("sgd", "adam", "adamw", "lion"),
    ("lora", "qlora", "adalora", "dora"),
    ("prompt tuning", "prefix tuning", "p-tuning", "adapter"),
    ("dpo", "ppo", "grpo", "rrhf", "kto"),
    ("bpe", "wordpiece", "unigram", "sentencepiece"),
    ("gpt", "bert", "t5", "llama", "xlnet"),
    ("l1", "l2"),
    ("kl", "js"),
    ("行", "列"),
    ("线程", "进程"),
    ("强扩展", "弱扩展"),
    ("上采样", "下采样"),
)
_FACETS = (
    ("compare", r"区别|差别|不同|对比|比较|相比|优于|还是|vs|difference|compare"),
    ("why", r"为什么|为何|原因|why|必要性|意义"),
    ("code", r"代码|实现一个|手写|pytorch|implement|示例|举例"),
    ("formula", r"公式|推导|证明|数学|计算公式|formula|derive"),
    ("cons", r"缺点|局限|不足|挑战|问题有哪些|劣势|弊端|drawback|limitation"),
    ("pros", r"优点|优势|好处|benefit|advantage"),
    ("how", r"如何|怎么|怎样|how|方法|策略|步骤|流程"),
    ("what", r"什么|定义|概念|介绍|解释|what|原理|作用"),
)


@dataclass(frozen=True, slots=True)
class Likeness:
    """Why two questions are taken to be alike or not. `score` in [0, 1] is the decision's measure."""

    cosine: float
    names: float
    facet: bool
    conflict: str
    score: float


def link(
    questions: Sequence[Question], chunks: Sequence[Chunk], vectors: np.ndarray
) -> tuple[list[Link], list[tuple[str, ...]]]:
    """Links for the questions that have no reference, and groups of two and more questions that ask the same thing."""
    if not questions:
        return [], []
    matrix, own = _question_vectors(questions, chunks, vectors)
    features = [_Features.of(question) for question in questions]
    near = _neighbours(matrix, own, _NEIGHBOURS)
    parent = list(range(len(questions)))
    for i, found in enumerate(near):
        for j, cosine in found:
            if i < j and likeness(features[i], features[j], cosine).score >= SAME:
                parent[_root(parent, j)] = _root(parent, i)
    members: dict[int, list[int]] = {}
    for i in range(len(questions)):
        members.setdefault(_root(parent, i), []).append(i)
    grouped = [tuple(questions[i].id for i in group) for group in members.values() if len(group) > 1]
    links = []
    for i, question in enumerate(questions):
        if _answered(question):
            continue
        group = members[_root(parent, i)]
        best = max(
            (
                (likeness(features[i], features[j], cosine), j in group, j)
                for j, cosine in near[i]
                if _answered(questions[j])
            ),
            key=lambda found: (found[1], found[0].score),
            default=None,
        )
        if best is not None and (best[1] or best[0].score >= COVERS):
            links.append(
                Link(question.id, questions[best[2]].id, "same" if best[1] else "covers", round(best[0].score, 3))
            )
    return links, grouped


def likeness(one: _Features, other: _Features, cosine: float) -> Likeness:
    """Compare two questions. Names that are rivals (MQA, GQA) or that only one side has decide against "same"."""
    union = one.names | other.names
    names = len(one.names & other.names) / len(union) if union else 0.5
    conflict = _conflict(one.folded, other.folded)
    facet = one.facet == other.facet or bool({one.facet, other.facet} <= {"what", "how", ""})
    if one.bare == other.bare:
        return Likeness(cosine, 1.0, True, "", 1.0)
    near = min(1.0, max(0.0, (cosine - 0.6) / 0.35))
    score = 0.55 * near + 0.27 * names + 0.18 * facet
    return Likeness(cosine, names, facet, conflict, 0.0 if conflict else round(score, 4))


@dataclass(frozen=True, slots=True)
class _Features:
    folded: str
    bare: str
    names: frozenset[str]
    facet: str

    @classmethod
    def of(cls, question: Question) -> _Features:
        text = " ".join([*question.trail[-1:], question.text]) if question.kind == "topic" else question.text
        folded = unicodedata.normalize("NFKC", text).lower()
        facet = next((name for name, pattern in _FACETS if re.search(pattern, folded)), "")
        return cls(folded, re.sub(r"[\W_]+", "", folded), _names(folded), facet)


def _names(folded: str) -> frozenset[str]:
    found: set[str] = set()
    rest = folded
    for i, group in enumerate(groups()):
        for name in sorted(group, key=len, reverse=True):
            if re.search(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])" if name.isascii() else re.escape(name), rest):
                found.add(f"#{i}")
                rest = rest.replace(name, " ")
    found |= {subject.lower() for subject in subjects(rest)}
    return frozenset(found)


def _conflict(one: str, other: str) -> str:
    for rivals in _CONTRASTS:
        left = {rival for rival in rivals if _has(one, rival)}
        right = {rival for rival in rivals if _has(other, rival)}
        if left and right and left != right:
            return " / ".join(sorted(left ^ right))
    return ""


def _has(text: str, word: str) -> bool:
    if word.isascii():
        return re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", text) is not None
    return word in text


def _answered(question: Question) -> bool:
    return bool(question.reference) and question.kind != "choice"


def _question_vectors(
    questions: Sequence[Question], chunks: Sequence[Chunk], vectors: np.ndarray
) -> tuple[np.ndarray, list[list[int]]]:
    """All vectors of question chunks, and for each question the rows of its own, the question as asked first."""
    position = {question.id: i for i, question in enumerate(questions)}
    rows: list[int] = []
    own: list[list[int]] = [[] for _ in questions]
    for row, chunk in enumerate(chunks):
        if chunk.part == "question":
            own[position[chunk.item_id]].append(len(rows))
            rows.append(row)
    return vectors[rows], own


def _neighbours(matrix: np.ndarray, own: list[list[int]], k: int) -> list[list[tuple[int, float]]]:
    """For each question the `k` nearest others: its first vector against the best vector of each of them."""
    owner = np.empty(len(matrix), dtype=np.int64)
    for i, rows in enumerate(own):
        owner[rows] = i
    found: list[list[tuple[int, float]]] = []
    for i, rows in enumerate(own):
        similarity = matrix @ matrix[rows[0]]
        best: dict[int, float] = {}
        for row in np.argsort(-similarity)[: 6 * k]:
            j = int(owner[row])
            if j != i and j not in best:
                best[j] = float(similarity[row])
            if len(best) == k:
                break
        found.append(list(best.items()))
    return found


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
