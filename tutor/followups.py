"""Resolve a follow-up question against the questions before it, so that it can be searched alone. Rules only.

A question that names its own subject is left alone. Otherwise the subject of the last question (as resolved) takes the
place of a pronoun ("它的秩怎么选"), is put in front of what leaves it out ("有什么缺点"), or is exchanged ("那 QLoRA 呢").

What tells a subject is its strength. Technical names ("FlashAttention", "ZeRO-3") and names of the alias table ("投机解码")
are strong: a question that has one stands alone. Other words ("气泡", "两个矩阵") are weak: a short question of weak words
goes on with the last subject, a long one explains itself. Words that any subject can have ("显存", "优缺点") are none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tutor.aliases import mentions
from tutor.lexical import cut

_ASIDE_WORDS = """
什么 怎么 怎样 如何 为什么 为何 为啥 哪些 哪个 哪种 哪里 几个 几种 多少 多大 是否 能否 可否 有没有 会不会 要不要
能不能 是不是 需要 的 了 和 与 跟 及 以及 或 还是 是 在 中 对 对于 为 有 被 把 上 下 里 个 这 那 那么 其 请 吗
呢 吧 啊 呀 嘛 一下 又 也 都 就 要 会 能 可以 应该 必须 通常 一般 常见 主要 具体 详细 简单 分别 各自 之间 时候
时 用 做 去 来 让 使 使得 从 到 比 不 没 没有 只 最 更 很 太 再 还 才 该 解释 说明 介绍 讲讲 讲 说说 说 谈谈 谈
聊聊 描述 阐述 简述 列举 举例 举 分析 比较 对比 理解 请问 告诉 我 你 我们 原理 机制 作用 意义 目的 优点 缺点
优势 劣势 优缺点 好处 坏处 弊端 问题 区别 差别 不同 联系 关系 异同 特点 特性 定义 概念 含义 意思 本质 方法 方式
步骤 流程 过程 场景 例子 公式 代码 实现 应用 影响 效果 原因 代价 成本 局限 局限性 挑战 取舍 选择 选 适合 适用
解决 避免 改进 优化 组成 结构 部分 类型 种类 分类 核心 思想 基本 工作 计算 推导 证明 大小 复杂度 参数 细节 情况
面试 面试官 题 知识 东西 the a an of to in is are was be and or for with on at by from as it its they them this
that these those what why how when where which who does do did can could should would will work works mean means
about explain describe difference between compare advantage advantages disadvantage disadvantages example
drawback drawbacks pros cons use used using we you i not any there formula code implement implementation
trade-off cost
"""
_ASIDE = frozenset(_ASIDE_WORDS.split())
"""Words that say how a question asks, not what about."""
_SHARED_WORDS = """
怎么样 几 多久 不能 代 所以 然后 继续 讲解 举个 展开 深入 一点 点 缓解 设 设置 调 起 省 节省 快 慢 显存 内存
吞吐 吞吐量 延迟 时延 速度 推理 训练 微调 预训练 学习率 温度 解码 精度 模型 大模型 数据 性能 质量 指标 衡量 评估
much many me give more detail details tell limitation limitations problem problems inference training latency
throughput memory temperature model models llm llms gpu cpu ai need needed make makes take takes computed lr
decoding
"""
_GENERAL = _ASIDE | frozenset(_SHARED_WORDS.split())
"""With them, the words that every subject has to do with: "显存", "推理"."""
_PRONOUN = re.compile(
    r"(?P<former>前者|the former)|(?P<latter>后者|the latter)"
    r"|(?P<both>这两者|两者|二者|它们俩|这两个|这两种|它们|他们|\bthem\b|\bthey\b|\bboth\b|the two\b)"
    r"|(?P<one>(?:这|那|该|此|上述|上面|刚才)(?:个|种|些|项|类|样)?(?:的)?(?:方法|技术|机制|算法|模型|东西|做法|方案|策略|概念|问题|公式|操作|现象)"
    r"|它|其(?!他|它|实|中|余)|这个|那个|这种|那种"
    r"|\bits\b|\bit\b(?! (?:possible|ok|worth|necessary|better|true|safe))|\bthis\b|\bthat\b(?=\s*(?:[?.!]|$|is|does))"
    r"|\bthese\b|\bthose\b)",
    re.IGNORECASE,
)
_OPENING = re.compile(r"^(?:那么?|还有|另外|然后|所以|但是?|不过|而|and|but|so|then|also)[，,、\s]*", re.IGNORECASE)
_EXCHANGE = re.compile(
    r"^(?:(?:那么?|还有|and|what about|how about|那?如果(?:是|用|换成)?|换成)\s*"
    r"(?P<opened>[^，。？?]{1,40}?)(?:呢|又如何|怎么样)?|(?P<closed>[^，。？?]{1,40}?)呢)\s*[?？。!！]*$",
    re.IGNORECASE,
)
_LEANING = re.compile(
    r"^(?:和|跟|与|相比|比起)|(?:还|也|就|又)(?:是|不)?(?:需要|要|用|能|会|行|一样|适用|可以|如此|必要)"
    r"|同样|一样|still|too\b|as well",
    re.IGNORECASE,
)
"""Words by which a question compares with what was said before: "BF16 还需要吗"."""
_DAILY = re.compile(
    r"今天|明天|昨天|今晚|周末|天气|几点|星期几|你好|您好|谢谢|再见|晚安|你是谁"
    r"|\b(?:today|tomorrow|yesterday|weather|hello|hi|thanks|thank you|bye|who are you)\b",
    re.IGNORECASE,
)
"""Talk that belongs to no subject before it."""
_NAME = re.compile(r"\d*[A-Za-z][A-Za-z0-9]*(?:[-_.+/@][A-Za-z0-9]+)*(?: v\d+)?")
_LONG = 16
"""A question of weak words with as many characters explains itself."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that a question is about, as written there."""

    text: str
    strong: bool


def resolve(question: str, history: Sequence[str]) -> str:
    """The question as it stands alone.

    :param history: earlier questions as resolved, oldest first; only the last one is needed.
    """
    if not history:
        return question
    before = _subjects(history[-1])
    before = [one for one in before if one.strong] or before
    pronoun = _PRONOUN.search(question)
    own = _subjects(_PRONOUN.sub(" ", question))
    names = [one for one in own if one.strong]
    if pronoun and before and not any(one.text in question[: pronoun.start()] for one in names):
        return _replace_pronoun(question, pronoun, before)
    if not names and _DAILY.search(question):
        return question
    exchange = _EXCHANGE.match(question.strip())
    said = (exchange["opened"] or exchange["closed"]) if exchange else ""
    if said and before and len(own) == 1 and _says_only(said, own[0].text):
        return _exchange(history[-1], before, own[0], question)
    if names and not (_LEANING.search(question) and len(own) == 1):
        return question
    if not names and len(own) > 1 and len(question) >= _LONG:
        return question
    return f"{_joined(before) or history[-1]} {_OPENING.sub('', question)}"


def resolve_all(questions: Sequence[str]) -> list[str]:
    """Every question of a conversation as it stands alone, each resolved against those before it."""
    resolved: list[str] = []
    for question in questions:
        resolved.append(resolve(question, resolved))
    return resolved


def subjects(text: str) -> list[str]:
    """The words that say what a question is about, in runs as written, in order."""
    return list(dict.fromkeys(_runs(text, _ASIDE)))


def _subjects(text: str) -> list[Subject]:
    """What a question is about, in order: strong names, and the runs of words between them that are not general."""
    found: list[Subject] = []
    end = 0
    for start, stop in _names(text):
        runs = _runs(text[end:start], _GENERAL)
        if runs and text[:start].endswith(runs[-1]):  # "异步" belongs to "检查点"
            start -= len(runs.pop())
        found += [Subject(run, strong=False) for run in runs]
        found.append(Subject(text[start:stop], strong=True))
        end = stop
    found += [Subject(run, strong=False) for run in _runs(text[end:], _GENERAL)]
    return list(dict.fromkeys(found))


def _names(text: str) -> list[tuple[int, int]]:
    spans = [span for span in mentions(text) if text[slice(*span)].lower() not in _GENERAL]
    for match in _NAME.finditer(text):
        word = match.group()
        opens = text.isascii() and not text[: match.start()].strip()
        if word.lower() not in _GENERAL and re.search(r"[A-Z0-9_@]", word[1:] if opens and word.istitle() else word):
            spans.append(match.span())
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(spans, key=lambda span: (span[0], -span[1])):
        between = text[merged[-1][1] : start] if merged else "."
        if merged and (start < merged[-1][1] or (between == " " and text[start - 2].isascii() and text[start].isascii())):
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _runs(text: str, aside: frozenset[str]) -> list[str]:
    runs: list[str] = []
    open_run = False
    for word in cut(text):
        known = word.strip().lower()
        if not known:
            open_run = open_run and runs[-1].isascii()
            if open_run:
                runs[-1] += word
        elif known in aside or not re.search(r"\w", known) or re.fullmatch(r"[一二两三四五六七八九十\d]+", known):
            open_run = False
        elif open_run:
            runs[-1] += word
        else:
            runs.append(word)
            open_run = True
    return [run.strip() for run in runs if len(run.strip()) > 1]


def _replace_pronoun(question: str, pronoun: re.Match[str], before: Sequence[Subject]) -> str:
    if pronoun["former"]:
        subject = before[0].text
    elif pronoun["latter"]:
        subject = before[min(1, len(before) - 1)].text
    else:
        subject = _joined(before if pronoun["both"] else before[:1])
    start, end = pronoun.span()
    return f"{_OPENING.sub('', question[:start])}{subject} {question[end:].lstrip()}".strip()


def _exchange(previous: str, before: Sequence[Subject], new: Subject, question: str) -> str:
    kin = max(before, key=lambda one: _kinship(one.text, new.text))
    if new.strong or _kinship(kin.text, new.text) > 0.2:
        gap = " " if new.text[-1].isascii() else ""
        return re.sub(r"\s+", " ", previous.replace(kin.text, new.text + gap, 1))
    weak = [one.text for one in _subjects(previous) if not one.strong]
    nearest = max(weak, key=lambda text: _kinship(text, new.text), default="")
    if _kinship(nearest, new.text) > 0.3:
        return previous.replace(nearest, new.text, 1)
    return f"{_joined(before)} {_OPENING.sub('', question)}"


def _kinship(one: str, other: str) -> float:
    a, b = set(one.lower()), set(other.lower())
    return len(a & b) / len(a | b)


def _says_only(said: str, subject: str) -> bool:
    rest = cut(said.replace(subject, ""))
    return all(word.strip().lower() in ("", "的", "时", "时候", "如果", "是", "用", "换成") for word in rest)


def _joined(found: Sequence[Subject]) -> str:
    return " 和 ".join(one.text for one in found[:2])
