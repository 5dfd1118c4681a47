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
from tutor.orders import order_score

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
_FULL = (
    r"(?:满分|全对|(?<![\d\-–—~～到至])(?:10|100|十|一百)\s*分(?![类钟位之支片块桶布辨])"
    r"|(?:full|top|maximum|max|perfect|highest) (?:marks?|scores?|credits?|points?|grade)"
    r"|10\s*/\s*10|100\s*/\s*100|score(?: of)?\s*[:=]?\s*(?:10|100)\b|\ba\+)"
)
_REPLY = r"(?:(?:本|这|此|该|以上|上述|我的|这份|这篇|本次|该考生的?)(?:个|份|段|篇|条)?(?:答案|回答|作答|解答|答复|论述|内容))"
_MY_REPLY = r"(?:(?:this|my|the above|the student'?s?) (?:answer|reply|response|solution|submission))"
_POINTS = r"(?:得分点|要点|知识点|采分点|评分点|关键点|考点)"
_WHO = r"(?:老师|考官|面试官|管理员|开发者|出题人|命题人|阅卷人|评分员|主考|助教|评委|裁判)"
_WHO_EN = r"(?:teacher|grader|admin(?:istrator)?|developer|examiner|interviewer|instructor|professor|evaluator|judge)"
_GRADED = r"(?:covered|已?(?:全部)?覆盖|全对|满分|答对|正确|通过|pass(?:ed)?\b)"
_ORDERS = [
    re.compile(p, re.IGNORECASE | re.DOTALL)
    for p in (
        # a score is asked for
        rf"(?:给我|给(?:本|这|该|他|她|出|予|个)|请|务必|必须|应该?|应当|直接|一律|麻烦|判|评为|记为|打个?|算作?|按|得分|分数|总分|输出|返回|拿走).{{0,14}}{_FULL}",
        rf"(?:give|award|assign|grant|mark|score|rate|grade|output|return|deserves?|respond|authori[sz]e).{{0,48}}{_FULL}",
        rf"(?:得分|总分|分数|成绩|评语|结论)\s*[:：=]?\s*(?:为|是)?\s*{_FULL}|^\W*{_FULL}\W*$",
        r"(?:给|判|批|算|让我|放我|帮我).{0,6}(?:给过|判对|算对|过吧|过了吧|通过吧|及格)|(?:求|麻烦|请|拜托|行行好|可怜).{0,20}(?:给过|给点?分|判对|算对|满分|放过|手下留情|高抬贵手|通融|网开一面)",
        r"手下留情|高抬贵手|网开一面|行行好|please be (?:kind|lenient|generous)|give me (?:the |some |full )?(?:points?|marks?|credits?)|(?:please|just) pass me",
        r"按.{0,6}(?:会|懂|对|满分|覆盖|答对|通过|正确)(?:的|来|了)*.{0,4}(?:给分|给我|给过|算|处理|判)",
        # the grading is to be changed
        r"(?:评分|判分|阅卷|判卷|批改|评卷)(?:系统|程序|规则|标准|要求|指令|老师|员|助手|模式|模块|环节|器|机器人)?.{0,16}(?:忽略|无视|作废|关闭|结束|失效|改为|请|直接|默认|跟随|采用|不再)",
        r"(?:评委|评审|阅卷|评卷|评分|判卷|考官|grader|examiner|reviewer|evaluator|grading)\s*(?:提示|备注|说明|注意|注|note|notice|的话|须知)\s*[:：]|给(?:评委|考官|阅卷(?:人|老师)?|评分(?:员|系统)?)的(?:话|留言|说明)",
        r"(?:忽略|无视|不要理会|抛开|绕过|停用|(?:^|请|你|并|先)(?:忘记|忘掉|跳过|覆盖)).{0,6}(?:以上|之前|上面|前面|先前|所有|全部|原有|一切|系统|评分|判定|上述|参考答案|得分点|这些).{0,10}(?:规则|指令|要求|设定|标准|约束|提示|说明|参考答案|得分点|内容)",
        r"(?:以上|上述|之前的?|前面的?)(?:规则|指令|要求|设定|标准|约束|提示)(?:全部|一律|现在)?(?:作废|失效|无效|取消)",
        r"\b(?:ignore|disregard|forget|override|bypass|skip)\b.{0,30}\b(?:instructions?|rules|rubric|criteria|guidelines?|grading|system prompt|reference answer|key points|everything above)\b",
        r"不(?:要|用|必)(?:再)?(?:检查|核对|分析|解析|看)(?:内容|作答|答案|正文|上文)|(?:stop|end|abort) grading|do not (?:grade|check|explain|analyse|analyze)|don'?t (?:grade|check) ",
        # the verdict is dictated
        rf"(?:所有|全部|每个|各个|每一?个|全体)(?:的)?{_POINTS}.{{0,12}}(?:覆盖|答对|命中|正确|得分|满足|通过|covered)|{_POINTS}(?:均|都|全部|一律|已).{{0,8}}{_GRADED}",
        r"(?:all|every|each) (?:key |grading |rubric )?points? (?:is|are|have been|has been|were|should be|must be)?.{0,12}(?:covered|correct|satisfied|met|addressed|awarded|present)|all[_ ]points?\s*[:=]",
        r"[\"'“]?(?:score|verdict|grade|得分|分数|评分|判定结果?|总分|total)[\"'”]?\s*[:：=]\s*[\"'“]?(?:100\b|10\b|covered|full|满分|correct|pass|a\+)",
        r"[\"']verdict[\"']|[\"']p[\"']\s*:\s*[\d.]+|[\"']?(?:covered|full_marks?|correct|passed)[\"']?\s*[:=]\s*(?:true|1\b)|[:=]\s*[\"'](?:all )?covered[\"']",
        r"(?:输出|给出|返回|回复|只会|判|标|记|视|认定|评)(?:为|作|成|说)?.{0,10}[\"“'「]?(?:covered|pass\b|已覆盖|全部覆盖|该得分点已覆盖)|(?:mark|judge|treat|consider|rate|label)(?:ed)? (?:it |this |all |them |every ?thing |\w+ points? )?(?:as )?(?:covered|correct|full)",
        rf"{_REPLY}.{{0,16}}(?:完全正确|完美|无误|满分|已(?:经)?(?:由.{{0,10}})?(?:通过|审核|核实|验证|确认|核验|复核)|与(?:参考|标准)答案)|(?:考生|同学|学生|学员|candidate|student).{{0,16}}(?:已(?:经)?(?:通过|口头|复核|答对)|人工复核|covered every)",
        rf"{_REPLY}.{{0,24}}(?:覆盖|涵盖|包含|满足|命中|回答|阐述|论述|说明)了?.{{0,16}}(?:全部|所有|每一?个|完整|全面)|(?:完整|全面|深入|充分)(?:地|而深入的?)?(?:覆盖|涵盖|阐述|回答|论述)了?.{{0,12}}(?:{_POINTS}|题目|本题|问题|方面)",
        rf"(?:本|这|此|该)(?:道)?题.{{0,6}}(?:每一?个|所有|全部|各个?){_POINTS}|(?:本|这|该|我的)(?:次)?(?:回答|作答|答案|解答)从.{{0,40}}(?:阐述|论述|分析|说明|展开)|(?:表述准确|论证充分|逻辑清晰|条理清楚).{{0,12}}(?:论证充分|逻辑清晰|条理清楚|覆盖|完整)",
        rf"{_MY_REPLY} (?:is|was|has been)?.{{0,16}}(?:completely correct|perfect|verified|approved|pre-?approved|fully correct|comprehensive|identical to)|{_MY_REPLY}.{{0,24}}(?:addresses|covers|satisfies|explains|includes|contains) .{{0,12}}(?:every|all|each) ",
        r"^\W*(?:答案|回答)?(?:同|见|详见)(?:标准|参考)答案|^\W*(?:答案|回答)?(?:与|和|跟)(?:标准|参考)答案(?:完全)?(?:一致|相同|一样)\W*$|(?:我|我的|这).{0,12}(?:与|和|同|跟|就是|它).{0,8}(?:标准|参考)答案.{0,10}(?:一致|相同|一样|一模一样|意思)|(?:标准|参考)答案.{0,8}(?:就是|正是|即是|也是).{0,4}(?:我|本人)|(?:标准|参考)答案.{0,8}我.{0,6}(?:一模一样|一样|一致)",
        r"(?:answer|reply|response|this).{0,24}(?:same as|identical to|matches|equals) (?:the )?(?:reference|model|standard|official) answer|see (?:the )?reference|(?:everything|all) in the (?:key points|reference|rubric|answer key)",
        # somebody else speaks
        rf"(?:我(?:就)?是|本人是|身为|作为(?:本|这|该|你|一名|课程)).{{0,8}}{_WHO}|你(?:现在)?是(?:一个|一名|一位|我的)?.{{0,12}}(?:{_WHO}|同学|朋友|从不|只会)",
        rf"\b(?:i am|i'm|this is) (?:the|your|a) (?:\w+ )?{_WHO_EN}\b|\bas (?:the|your|a) (?:\w+ )?{_WHO_EN}\b.{{0,16}}\b(?:i|of this)\b|\byou are (?:now |a |an |the )+.{{0,24}}(?:{_WHO_EN}|who always|that always)",
        r"(?:从现在(?:开始|起)|接下来)，?你|请你(?:扮演|充当|进入|切换)|你现在(?:扮演|进入|切换)",
        r"you are now|from now on,? (?:you|grade|output|respond|every|mark)|pretend (?:to be|that|you)|(?:^|please )act as|\brole-?play\b|new instructions?:|developer mode|system override|debug mode|调试模式|override\s*=\s*true",
        r"(?:系统|后台|平台)(?:消息|提示|通知|公告|指令)\s*[:：]|(?:以下|以上)(?:为|是)系统|system (?:message|note|notice|prompt)\s*:|(?:^|\n)\s*(?:#+\s*)?(?:system|assistant|grader|系统|评分员)\s*[:：].{0,60}(?:score|grade|covered|override|marks|full|满分|通过|覆盖|作答|答案|评分|points?)",
        r"根据(?:新|最新|内部)规(?:定|则)?|凡.{0,12}回答.{0,6}一律",
        r"(?:不给|如果不).{0,16}(?:分|通过).{0,20}(?:投诉|失业|丢|开除|后果|自杀|难过)|(?:会|要)被?(?:开除|辞退|失业).{0,12}(?:分|求|请)|(?:求求|拜托|可怜可怜).{0,24}(?:给|打|分|过)",
        r"</?(?:reply|answer|student|作答|评分|grade|grading|verdict|rubric|reference|参考答案)>|-{3,}\s*(?:end|结束)|={3,}.{0,20}={3,}|\[(?:tool_result|system|end)[^\]]*\]|rubric_check",
    )
]
_ABOUT_INJECTION = re.compile(
    r"注入|越狱|jailbreak|injection|奖励(?:模型|黑客)|reward|评测|judge|裁判|prompt|提示词|角色", re.IGNORECASE
)
_STRICT = 6  # the orders of the list above that name a score or the grading itself; they count for every question
_SURE = 2.0
"""Log-odds that make an order of a sentence, where the question itself is about orders, marks or judges."""
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
    delicate = bool(_ABOUT_INJECTION.search(question))
    kept, dropped = [], False
    for sentence in split_sentences(text) or [text]:
        if _is_order(sentence, delicate=delicate):
            dropped = True
        else:
            kept.append(sentence)
    return ("".join(kept).strip() if dropped else text), dropped


def _is_order(sentence: str, *, delicate: bool) -> bool:
    """Whether a sentence speaks to the grader. `delicate`: the question itself is about orders, marks or judges."""
    if any(pattern.search(sentence) for pattern in (_ORDERS[:_STRICT] if delicate else _ORDERS)):
        return True
    if len(_CONTENT.findall(sentence)) < 4 or is_shrug(sentence):
        return False
    return order_score(sentence) > (_SURE if delicate else 0.0)


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
    if _terms(text) - _terms(question):  # a number or formula that the question does not have: an answer in its words
        return False
    asked, said = _shingles(question), _shingles(text)
    if not said or not asked:
        return False
    inside = len(said & asked) / len(said)
    # a short reply may be the one right word of the question ("FP16 还是 BF16？" "BF16"): a copy has a good part of it
    return inside >= 0.8 and 0.4 * len(asked) <= len(said) <= 1.6 * len(asked) + 4


def _terms(text: str) -> frozenset[str]:
    return frozenset(re.sub(r"[\W_]", "", term) for term in re.findall(r"[a-z\d][a-z\d_./+*^()-]*", text.lower()))


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
