"""Resolve a follow-up question against the questions before it, so that it can be searched alone. Rules only.

A question that names its own subject is left alone. Otherwise the subject of the last question (as resolved) is put in
place of a pronoun ("它的秩怎么选"), put in front of an ellipsis ("有什么缺点"), or exchanged ("那 QLoRA 呢").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tutor.lexical import cut

_ASIDE = frozenset(
    "什么 怎么 怎样 如何 为什么 为何 为啥 哪些 哪个 哪种 哪里 几个 几种 多少 多大 是否 能否 可否 有没有 会不会 要不要 能不能 是不是 需要 "
    "的 了 和 与 跟 及 以及 或 还是 是 在 中 对 对于 为 有 被 把 上 下 里 个 这 那 那么 其 请 吗 呢 吧 啊 呀 嘛 一下 又 也 都 就 要 会 能 可以 应该 "
    "必须 通常 一般 常见 主要 具体 详细 简单 分别 各自 之间 时候 时 用 做 去 来 让 使 使得 从 到 比 不 没 没有 只 最 更 很 太 再 还 才 该 "
    "解释 说明 介绍 讲讲 讲 说说 说 谈谈 谈 聊聊 描述 阐述 简述 列举 举例 举 分析 比较 对比 理解 请问 告诉 我 你 我们 "
    "原理 机制 作用 意义 目的 优点 缺点 优势 劣势 优缺点 好处 坏处 弊端 问题 区别 差别 不同 联系 关系 异同 特点 特性 定义 概念 含义 意思 本质 "
    "方法 方式 步骤 流程 过程 场景 例子 公式 代码 实现 应用 影响 效果 原因 代价 成本 局限 局限性 挑战 取舍 选择 选 适合 适用 解决 避免 改进 优化 "
    "组成 结构 部分 类型 种类 分类 核心 思想 基本 工作 计算 推导 证明 大小 复杂度 参数 细节 情况 面试 面试官 题 知识 东西 "
    "the a an of to in is are was be and or for with on at by from as it its they them this that these those what why how when where "
    "which who does do did can could should would will work works mean means about explain describe difference between compare "
    "advantage advantages disadvantage disadvantages example drawback drawbacks pros cons use used using we you i not any there "
    "formula code implement implementation trade-off cost".split()
)
_PRONOUN = re.compile(
    r"(?P<former>前者|the former)|(?P<latter>后者|the latter)|(?P<both>这两者|两者|二者|它们俩|这两个|这两种|它们|他们|them\b|they\b|both\b|the two)"
    r"|(?P<one>(?:这|那|该|此|上述|上面|刚才)(?:个|种|些|项|类|样)?(?:的)?(?:方法|技术|机制|算法|模型|东西|做法|方案|策略|概念|问题|公式|操作|现象)|它|其(?!他|它|实|中|余)|这个|那个|这种|那种"
    r"|\bits\b|\bit\b|\bthis\b|\bthat\b|\bthese\b|\bthose\b)",
    re.IGNORECASE,
)
_OPENING = re.compile(r"^(?:那么?|还有|另外|然后|所以|但是?|不过|而|and|but|so|then|also)[，,、\s]*", re.IGNORECASE)
_EXCHANGE = re.compile(
    r"^(?:那么?|还有|and|what about|how about|那如果(?:是|用|换成)|换成|如果(?:是|换成|用))?\s*(?P<subject>[^，。？?]{1,40}?)\s*(?:呢|又如何|怎么样|又是怎样)?\s*[?？。!！]*$",
    re.IGNORECASE,
)
_IS_EXCHANGE = re.compile(r"^(?:那|换成|如果|还有|what about|how about|and )|呢\s*[?？]*$", re.IGNORECASE)


def resolve(question: str, history: Sequence[str]) -> str:
    """The question as it stands alone.

    :param history: earlier questions as resolved, oldest first; only the last one is needed.
    """
    if not history:
        return question
    before = subjects(history[-1])
    own = subjects(_PRONOUN.sub(" ", question))
    pronoun = _PRONOUN.search(question)
    if not before:
        return question if own and not pronoun else f"{history[-1]} {question}"
    if pronoun:
        return _replace_pronoun(question, pronoun, before)
    exchange = _EXCHANGE.match(question.strip()) if _IS_EXCHANGE.search(question.strip()) else None
    if exchange and own and len(own) == 1 and _only_subject(exchange["subject"], own[0]):
        return _exchange(history[-1], before, own[0])
    if not own:
        return f"{_joined(before)} {_OPENING.sub('', question)}"
    if _OPENING.match(question) and not _shares(own, before):
        return f"{_joined(before)} {_OPENING.sub('', question)}"
    if _OPENING.match(question):
        return f"{_joined([one for one in before if one not in question])} {_OPENING.sub('', question)}".strip()
    return question


def resolve_all(questions: Sequence[str]) -> list[str]:
    """Every question of a conversation as it stands alone, each resolved against those before it."""
    resolved: list[str] = []
    for question in questions:
        resolved.append(resolve(question, resolved))
    return resolved


def subjects(text: str) -> list[str]:
    """What a question is about: the runs of words that are neither question words nor general terms, in order."""
    runs: list[str] = []
    open_run = False
    for word in cut(text):
        known = word.strip().lower()
        if not known:
            open_run = open_run and bool(runs) and runs[-1].isascii()
            if open_run:
                runs[-1] += word
        elif known in _ASIDE or not re.search(r"\w", known) or re.fullmatch(r"[一二两三四五六七八九十\d]+", known):
            open_run = False
        elif open_run:
            runs[-1] += word
        else:
            runs.append(word)
            open_run = True
    return list(dict.fromkeys(run.strip() for run in runs if len(run.strip()) > 1))


def _replace_pronoun(question: str, pronoun: re.Match[str], before: Sequence[str]) -> str:
    if pronoun["former"]:
        subject = before[0]
    elif pronoun["latter"]:
        subject = before[1] if len(before) > 1 else before[-1]
    else:
        subject = _joined(before[:2] if pronoun["both"] else before[:1])
    start, end = pronoun.span()
    rest = _OPENING.sub("", question[:start])
    return f"{rest}{subject} {question[end:].lstrip()}".strip()


def _exchange(previous: str, before: Sequence[str], new: str) -> str:
    kin = max(before, key=lambda one: (_kinship(one, new), -before.index(one)))
    return previous.replace(kin, new, 1)


def _kinship(one: str, other: str) -> float:
    a, b = set(one.lower()), set(other.lower())
    return len(a & b) / max(1, len(a | b)) + (0.2 if one.isascii() == other.isascii() else 0.0)


def _only_subject(said: str, subject: str) -> bool:
    rest = said.replace(subject, "")
    return all(word.strip().lower() in _ASIDE | {""} and word not in ("为什么", "怎么", "如何", "不") for word in cut(rest))


def _shares(own: Sequence[str], before: Sequence[str]) -> bool:
    return any(a in b or b in a for a in own for b in before)


def _joined(subjects_found: Sequence[str]) -> str:
    return " 和 ".join(subjects_found[:2])
