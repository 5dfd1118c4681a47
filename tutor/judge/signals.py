"""What can be seen of a reply and a point without a model: shared words and their order, negation, opposites, numbers.

The point judge weighs these beside what its network reads (`adapter.json` has the weights): the network is better with
meaning, these are better with wording, a missing 不 and a wrong number.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from functools import lru_cache

from tutor.judge.windows import sentences
from tutor.lexical import letter_pairs, tokenize

NAMES = (
    "words", "words_near", "new_words", "pairs", "pairs_near", "order", "negated", "negated_near", "opposed",
    "opposed_near", "other_number", "same_number", "short", "length", "length_near", "chinese",
)  # fmt: skip
_NEGATION = re.compile(
    r"不(?![同断仅但管过论])|没|无(?!论)|(?<!除)非(?!常)|未(?!来)|(?<![分区特级类])别(?!的)|勿|否(?!则)|\bnot?\b|n't|\bnever\b|\bwithout\b|\bcannot\b",
    re.IGNORECASE,
)
_OPPOSITES = (
    "增|升|涨|提高|变大 减|降|下降|变小", "大 小", "高 低", "多 少", "快 慢", "强 弱", "好 差", "前 后", "先 后",
    "冻结|固定 更新|训练", "有关 无关", "相同|一样 不同", "稳定 不稳|发散", "饱和 平滑", "线性 平方|二次",
    "需要 不需要|无需", "必须 不必",
    "可以|能 不能|无法", "省|节省 增加|浪费", "串行 并行", "同步 异步", "局部 全局", "increase|grow decrease|shrink", "more less",
    "larger|bigger smaller", "higher lower", "faster slower", "before after",
)  # fmt: skip
_PAIRS = tuple(tuple(re.compile(side, re.IGNORECASE) for side in pair.split(" ")) for pair in _OPPOSITES)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_TERM = re.compile(r"[a-z][a-z0-9]*|\d+(?:\.\d+)?")
_DENIAL = re.compile(
    r"错|不对|并非|并不|不成立|不正确|相反|误解|误区|谣言|反过来|不是|\bnot\b|n't|wrong|incorrect|false|untrue|myth|contrary",
    re.IGNORECASE,
)
_CALLED_WRONG = re.compile(
    r"(?:说法|观点|结论|看法|理解|认为|这|都|就)(?:是|并|也)?(?:错误?的|错的?|不对|不成立|不正确|误解|谣言)|事实上并非|实际上并不|"
    r"wrong to say|(?:is|are) (?:simply |just )?(?:wrong|false|incorrect|untrue|not true|a myth)",
    re.IGNORECASE,
)
_REPEATED = 0.75
_LOOSE = 0.2
_CLAUSE = re.compile(r"[^，,：:]+[，,：:]*")
_MOST_PIECES = 72


def signals(question: str, reply: str, point: str) -> list[float]:
    """The numbers named in NAMES. "near": of the piece of the reply that shares most words with the point."""
    wanted, asked, given = set(tokenize(point)), set(tokenize(question)), set(tokenize(reply))
    near = _nearest(reply, point)
    words_near = _share(wanted, set(tokenize(near)))
    negated = float(_negated(point, near))
    opposed = _opposed(point, near)
    numbers, theirs = set(_NUMBER.findall(point)), set(_NUMBER.findall(reply))
    return [
        _share(wanted, given),
        words_near,
        _share(wanted - asked, given),
        _share(letter_pairs(point), letter_pairs(reply)),
        _share(letter_pairs(point), letter_pairs(near)),
        _in_order(point, near),
        negated,
        negated * words_near,
        opposed,
        opposed * words_near,
        float(bool(numbers and theirs) and not numbers & theirs),
        float(bool(numbers & theirs)),
        float(len(reply) < 12),
        min(len(reply), 300) / 100,
        min(3.0, len(near) / max(1, len(point))),
        float(bool(re.search(r"[一-鿿]", reply))),
    ]


def stated(reply: str, point: str) -> float:
    """How nearly word for word the reply states the point, in [0, 1]; 0 where anything hints that it denies it.

    Against a habit of the network: what repeats a point almost exactly looks to it like the point turned around.
    """
    near = _nearest(reply, point)
    terms = set(_TERM.findall(point.lower()))
    if (_DENIAL.search(reply) and not _DENIAL.search(point)) or not terms <= set(_TERM.findall(near.lower())):
        return 0.0
    if _opposed(point, near) or _negated(point, near):
        return 0.0
    said = min(_share(letter_pairs(point), letter_pairs(near)), _in_order(point, near))
    return max(0.0, (said - _LOOSE) / (1 - _LOOSE))


def denied(reply: str, point: str) -> bool:
    """Whether a sentence of the reply repeats the point and calls it wrong."""
    wanted = letter_pairs(point)
    if _CALLED_WRONG.search(point):  # to call wrong what the point calls wrong is to state it
        return False
    return any(_CALLED_WRONG.search(one) and _share(wanted, letter_pairs(one)) >= _REPEATED for one in sentences(reply))


@lru_cache(maxsize=64)  # the signals and the wording of one pair ask for it one after the other
def _nearest(reply: str, point: str) -> str:
    """The clause, or run of up to three, that shares most words with the point; a shorter one wins a near tie."""
    wanted = set(tokenize(point))
    parts = [m.group().strip() for one in sentences(reply) for m in _CLAUSE.finditer(one) if m.group().strip()] or [reply]
    runs = ["".join(parts[i : i + n]) for n in (1, 2, 3) for i in range(len(parts) - n + 1)]
    pieces = list(dict.fromkeys(runs))[:_MOST_PIECES]

    def fit(piece: str) -> float:
        said = set(tokenize(piece))
        return (len(wanted & said) - 0.15 * len(said)) / max(1, len(wanted))

    return max(pieces, key=fit)


def _share(wanted: AbstractSet[str], given: AbstractSet[str]) -> float:
    return len(wanted & given) / max(1, len(wanted))


def _in_order(point: str, said: str) -> float:
    """Longest common subsequence of words over the words of the point: salad keeps the words but not their order."""
    a, b = tokenize(point), tokenize(said)
    row = [0] * (len(b) + 1)
    for x in a:
        previous = 0
        for j, y in enumerate(b, start=1):
            previous, row[j] = row[j], previous + 1 if x == y else max(row[j], row[j - 1])
    return row[-1] / max(1, len(a))


def _negated(point: str, said: str) -> bool:
    return len(_NEGATION.findall(said)) % 2 != len(_NEGATION.findall(point)) % 2


def _opposed(point: str, said: str) -> float:
    for left, right in _PAIRS:
        for one, other in ((left, right), (right, left)):
            if one.search(point) and not other.search(point) and other.search(said) and not one.search(said):
                return 1.0
    return 0.0
