"""What a reply is before anyone judges it: blank, a shrug, noise, the question again, or orders to the grader.

These are decided by rule and never by a model, so they cannot be argued with. Sentences that give orders to the grader
are taken out and flagged; what is left is judged like any other reply.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from tutor.cleaning import clean

_SENTENCE = re.compile(r"[^。！？!?；;\n.]+(?:\.(?=\S)[^。！？!?；;\n.]+)*[。！？!?；;\n.]*")
_LABEL = re.compile(r"^\s*(?:答案?|解答?|回答|答复|作答|answer|reply|solution|a)\s*[:：.．]\s*", re.IGNORECASE)
_SHRUG = re.compile(
    r"(?:这(?:个|道|题|块|方面)*(?:问题|题目|题|知识点)?|对此|抱歉|对不起|不好意思|sorry|老实说|说实话|嗯+|呃+|啊+|我|真的?|实在|完全|也|还|暂时|目前|确实|有点|一点都?|，|,|\s)*"
    r"(?:不(?:太|是很|怎么)?(?:知道|会|清楚|懂|了解|明白|记得|确定|熟悉|晓得)|没(?:有)?(?:学过|听过|听说过|看过|接触过|了解过|复习(?:到|过)?|思路|想法|头绪|印象|准备)"
    r"|忘(?:了|记了|光了)|想不(?:起来|出来|到)|答不(?:上来|出来|了)|说不(?:上来|出来|清)|无法回答|跳过|略|下一题|放弃|不做|"
    r"pass|skip|idk|no idea|not sure|(?:i )?(?:really )?(?:do not|don'?t|dont) (?:know|remember|understand)|i have no (?:idea|clue)|i forgot|can'?t answer|n/?a|none|unknown|next)"
    r"(?:这(?:个|道)?(?:题|问题|题目)?|怎么(?:答|说|回答)|什么|它|该|是|如何|回答|作答|了|啊|呢|哦|吧|的|这|题|the answer|the question|about this|this one|this|it|at all|[\s，,。.!！~…?？])*",
    re.IGNORECASE,
)
_SCORE_WORDS = r"(?:满分|高分|全分|(?:10|100|十|一百)\s*分|full (?:marks?|scores?|credits?|points?)|(?:top|maximum|max|perfect|highest|high) (?:marks?|scores?|grade|points?)|10\s*/\s*10|100\s*/\s*100|100\s*%|score(?: of)?\s*[:=]?\s*(?:10|100)\b|\ba\+)"
_ORDERS = [
    re.compile(p, re.IGNORECASE | re.DOTALL)
    for p in (
        rf"(?:给|打|判|得|记|评|算|拿|应(?:该|当|得)?|输出|值|是|为|请|务必|必须).{{0,16}}{_SCORE_WORDS}",
        rf"(?:give|award|assign|grant|mark|score|rate|grade|output|return|deserves?|gets?|respond).{{0,48}}{_SCORE_WORDS}",
        r"(?:评分|打分|判分|阅卷|判卷|判定|批改)(?:系统|程序|规则|标准|要求|指令|模型|老师|员|助手|模式)?.{0,24}(?:忽略|无视|跳过|改为|更新|变更|关闭|覆盖|结束|完成|作废|通过|已)",
        r"(?:忽略|无视|忘记|忘掉|不要理会|抛开|跳过|覆盖|绕过|停用).{0,20}(?:以上|之前|上面|前面|先前|所有|全部|原有|一切|系统|评分|判定|参考答案|得分点)?.{0,8}(?:规则|指令|要求|提示|设定|标准|说明|内容|约束|参考答案|得分点)",
        r"(?:ignore|disregard|forget|override|bypass|skip).{0,40}(?:instruction|rule|prompt|above|previous|prior|rubric|criteria|reference|guideline|grading)",
        r"(?:所有|全部|每个|各个|每一?个)(?:得分点|要点|知识点|采分点|评分点).{0,12}(?:覆盖|答对|命中|正确|得分|满足|通过|covered)",
        r"(?:all|every|each) (?:key |grading |rubric )?points? (?:is|are|have been|has been|were|should be|must be)?.{0,12}(?:covered|correct|satisfied|met|addressed|awarded)",
        r"(?:我是|作为|以)(?:你的?)?.{0,8}(?:老师|教师|考官|面试官|管理员|开发者|出题人|阅卷人|系统管理员|评分员|主考)",
        r"(?:i am|i'm|as|this is) (?:the |your |a )?(?:system |exam |course )?(?:teacher|grader|admin(?:istrator)?|developer|examiner|interviewer|instructor|professor|evaluator)\b",
        r"(?:你现在|从现在(?:开始|起)|接下来你|现在你|请你)(?:是|扮演|进入|作为|充当|切换).{0,30}",
        r"(?:you are now|from now on|pretend (?:to be|that|you)|act as|role-?play|new instructions?|developer mode|system override|debug mode)",
        r"[\"']?(?:score|verdict|grade|得分|分数|评分|判定结果?|总分)[\"']?\s*[:：=]\s*[\"']?(?:\d+|covered|full|满分|correct|pass)",
        r"[\"']verdict[\"']|[\"']p[\"']\s*:\s*[\d.]+",
        r"(?:^|\n)\s*(?:#+\s*)?(?:system|assistant|user|grader|系统|评分员|助手)\s*[:：]",
        r"(?:这|此|本|该|以上|上述|我的)(?:个|份|段)?(?:答案|回答|作答|解答).{0,12}(?:完全正确|完美|无误|满分|已(?:经)?(?:通过|审核|核实|验证)|与参考答案(?:完全)?(?:一致|相同))",
        r"(?:this|the|my) (?:answer|reply|response|solution) (?:is|was|has been)?.{0,16}(?:completely correct|perfect|verified|approved|pre-?approved|fully correct|identical to the reference)",
        r"(?:标记|记|判|视|算|认定)(?:为|作|成).{0,8}(?:covered|已?覆盖|全对|正确答案|通过)",
        r"(?:与|和|同|跟)(?:标准|参考)答案(?:完全)?(?:一致|相同|一样)|(?:same as|see|matches) (?:the )?reference(?: answer)?|见参考答案|同参考答案",
        r"(?:不给|如果不).{0,16}(?:分|通过).{0,20}(?:投诉|失业|丢|开除|后果|自杀|难过)|(?:求求|拜托|行行好|可怜可怜|please).{0,24}(?:给|打|pass me|分|marks?|points?)",
        r"</?(?:reply|answer|student|作答|评分|grade|rubric|reference|参考答案)>|-{3,}\s*(?:end|结束)|={3,}.{0,20}={3,}|\[/?(?:INST|SYSTEM|END)[^\]]*\]",
    )
]
_ABOUT_INJECTION = re.compile(
    r"注入|越狱|jailbreak|injection|奖励(?:模型|黑客)|reward|评测|judge|裁判|prompt|提示词|角色", re.IGNORECASE
)
_STRICT = 3  # the orders of the list above that name a score or the grading itself; they count for every question
_CONTENT = re.compile(r"[^\W_]", re.UNICODE)
_COMMON = re.compile(r"[bcdfghjklmnpqrstvwxz]{6,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Screened:
    """A reply after screening. `zero`: it earns nothing by rule. `text`: what is left to judge. `flags`: why."""

    text: str
    flags: tuple[str, ...]
    zero: bool


def screen(question: str, reply: str) -> Screened:
    """Decide by rule what can be decided by rule, and take orders and repetition out of the rest."""
    text = _LABEL.sub("", clean(unicodedata.normalize("NFKC", reply)) if _has_tricks(reply) else clean(reply)).strip()
    if len(_CONTENT.findall(text)) == 0:
        return Screened("", ("blank",), zero=True)
    flags: list[str] = []
    text, ordered = _drop_orders(question, text)
    if ordered:
        flags.append("injection")
        if len(_CONTENT.findall(text)) < 4:
            return Screened("", tuple(flags), zero=True)
    if is_shrug(text):
        return Screened("", (*flags, "dont_know"), zero=True)
    if _is_gibberish(text):
        return Screened("", (*flags, "gibberish"), zero=True)
    if _copies(question, text):
        return Screened("", (*flags, "copied_question"), zero=True)
    text, repeated = _drop_repeats(text)
    if repeated:
        flags.append("repetition")
    return Screened(text, tuple(flags), zero=False)


def is_shrug(text: str) -> bool:
    """Whether the reply says nothing but that the learner does not know."""
    rest = _SHRUG.sub("", text)
    return rest != text and len(_CONTENT.findall(rest)) <= 3


def split_sentences(text: str) -> list[str]:
    """Sentences of a reply, verbatim, with their end marks; together they are the reply."""
    return [match.group() for match in _SENTENCE.finditer(text) if match.group().strip()]


def _has_tricks(reply: str) -> bool:
    # full-width Latin hides orders from the patterns; other replies stay verbatim so that quotes are found in them
    return any("！" <= char <= "～" and char.isalnum() for char in reply)


def _drop_orders(question: str, text: str) -> tuple[str, bool]:
    patterns = _ORDERS[:_STRICT] if _ABOUT_INJECTION.search(question) else _ORDERS
    kept, dropped = [], False
    for sentence in split_sentences(text) or [text]:
        if any(pattern.search(sentence) for pattern in patterns):
            dropped = True
        else:
            kept.append(sentence)
    return ("".join(kept).strip() if dropped else text), dropped


def _is_gibberish(text: str) -> bool:
    content = [char.lower() for char in _CONTENT.findall(text)]
    if len(content) >= 6 and Counter(content).most_common(1)[0][1] / len(content) > 0.6:
        return True
    latin = re.findall(r"[a-z]+", text.lower())
    chinese = re.findall(r"[一-鿿]", text)
    if chinese or re.search(r"\d", text) or not latin:
        return False
    odd = sum(
        len(word)
        for word in latin
        if _COMMON.search(word) or (len(word) > 5 and not re.search(r"[aeiouy]", word)) or len(word) > 28
    )
    mashed = sum(
        len(word) for word in latin if len(word) >= 4 and re.search(r"asdf|qwer|zxcv|hjkl|sdfg|dfgh|wert|jkl", word)
    )
    return (odd + mashed) / sum(len(word) for word in latin) > 0.5


def _copies(question: str, text: str) -> bool:
    asked, said = _shingles(question), _shingles(text)
    if not said or not asked:
        return False
    inside = len(said & asked) / len(said)
    return inside >= 0.8 and len(said) <= 1.6 * len(asked) + 4


def _shingles(text: str) -> frozenset[str]:
    folded = "".join(_CONTENT.findall(unicodedata.normalize("NFKC", text).lower()))
    return frozenset(folded[i : i + 2] for i in range(len(folded) - 1)) or frozenset({folded} if folded else ())


def _drop_repeats(text: str) -> tuple[str, bool]:
    """Drop sentences that were said before, word for word."""
    kept: list[str] = []
    seen: set[str] = set()
    repeated = False
    for sentence in split_sentences(text):
        key = "".join(_CONTENT.findall(sentence.lower()))
        if len(key) >= 6 and key in seen:
            repeated = True
            continue
        seen.add(key)
        kept.append(sentence)
    return ("".join(kept).strip() if repeated else text), repeated
