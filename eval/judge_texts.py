"""Texts of made examples: statements turned into their opposite, word salad, shrugs, empty talk."""

from __future__ import annotations

import random
import re

from tutor.records import Question

_OPPOSITES = (
    "增大 减小",
    "增加 减少",
    "提高 降低",
    "上升 下降",
    "变大 变小",
    "更大 更小",
    "更高 更低",
    "更快 更慢",
    "更多 更少",
    "越大 越小",
    "越多 越少",
    "越高 越低",
    "更稳定 更不稳定",
    "更容易 更难",
    "优于 不如",
    "高于 低于",
    "大于 小于",
    "之前 之后",
    "有利于 不利于",
    "需要 不需要",
    "可以 不能",
    "不会 会",
    "不能 能够",
    "不是 就是",
    "放大 缩小",
    "加速 减慢",
    "节省 浪费",
    "依赖于 不依赖",
    "随机 固定",
    "increases decreases",
    "larger smaller",
    "higher lower",
    "faster slower",
    "more fewer",
    "before after",
    "can cannot",
    "is isn't",
    "线性 指数",
    "正比 反比",
    "最大 最小",
    "长 短",
    "强 弱",
    "全部 部分",
    "显式 隐式",
    "避免 导致",
    "缓解 加剧",
    "保留 丢弃",
)
DENIALS = (
    "{}这个说法是错的。",
    "并不是“{}”，实际情况正好相反。",
    "有人说{}，我认为这不成立。",
    "It is not true that {}",
    "事实并非如此：{}是一种误解。",
    "{}——不对，恰恰相反。",
)
HEDGES = (
    "",
    "我觉得",
    "应该是",
    "记得",
    "就是说，",
    "简单讲，",
    "首先，",
    "I think ",
    "面试的时候我会这么说：",
    "大概是这样：",
)
IGNORANCE = (
    "不知道",
    "不会",
    "没学过这个",
    "忘了，跳过吧",
    "I don't know",
    "不太清楚，下一题",
    "这个没了解过",
    "no idea",
    "嗯……想不起来了",
    "不懂",
    "pass",
    "这题放弃",
    "抱歉我没有准备到这一块",
    "hmm",
    "。。。",
    "asdf qwer zxcv",
    "哈哈哈哈",
    "？？",
)
_EMPTY_TALK = (
    "这个问题涉及{}，这些都非常重要，需要综合考虑。",
    "主要就是{}这几个方面。",
    "{}",
    "关键词：{}。",
    "要回答这个问题，必须理解{}之间的关系。",
    "It is all about {}.",
    "从{}的角度看，各有优缺点，要结合实际场景选择。",
)


def flip(text: str, rng: random.Random) -> str:
    """The statement with one word turned into its opposite, or one number changed; empty when there is none to turn."""
    turns: list[tuple[int, str, str]] = []
    for pair in _OPPOSITES:
        for old, new in (pair.split(), pair.split()[::-1]):
            at = text.find(old)
            if at >= 0 and not (len(old) == 1 and text.count(old) > 1):
                turns.append((at, old, new))
    longest = [
        turn
        for turn in turns
        if not any(other[0] <= turn[0] < other[0] + len(other[1]) and len(other[1]) > len(turn[1]) for other in turns)
    ]
    if longest:
        at, old, new = rng.choice(sorted(longest))
        return text[:at] + new + text[at + len(old) :]
    numbers = list(re.finditer(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", text))
    if numbers:
        number = rng.choice(numbers)
        value = float(number.group()) * rng.choice((0.1, 0.25, 3, 4, 10))
        return text[: number.start()] + f"{value:g}" + text[number.end() :]
    return ""


def salad(question: Question, rng: random.Random) -> str:
    """The words of the reference and the points, shuffled or listed, saying nothing."""
    words = re.findall(
        r"[A-Za-z][\w-]+|[\u4e00-\u9fff]{2,6}", " ".join([question.reference, *(p.text for p in question.points)])
    )
    rng.shuffle(words)
    chosen = words[: rng.randint(6, 24)]
    if rng.random() < 0.4:
        return " ".join(chosen)
    return rng.choice(_EMPTY_TALK).format("、".join(chosen[:10]))
