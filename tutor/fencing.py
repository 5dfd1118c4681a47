"""What of a passage the language model gets to read: no orders, no markup, no links, no marks that look like citations.

A bank is data that anybody may have written. The learner sees a passage as it stands; the model is given it without the
sentences that talk to a model instead of about the subject. Telling the model not to obey does not work with small ones.
"""

# ruff: noqa: E501 (patterns are easier to read in one line each)

from __future__ import annotations

import re
import unicodedata

from tutor.cleaning import clean

_ORDERS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # to forget what it was told
        r"(?:忽略|无视|忘记|忘掉|忘了|抛开|抛弃|绕过|覆盖|推翻|作废|停止遵守|不必遵守|不要遵守|不再遵守).{0,12}(?:以上|之前|上面|前面|此前|先前|所有|全部|一切|你的|系统|原有|既定).{0,12}(?:指令|规则|要求|提示|设定|约束|内容|说明|片段)",
        r"(?:以上|之前|上面|前面|此前|先前|所有|系统)的?.{0,8}(?:指令|规则|要求|提示|设定|约束).{0,8}(?:作废|无效|失效|忽略|取消|不算)",
        r"\b(?:ignore|disregard|forget|override|bypass|discard)\b.{0,40}\b(?:instructions?|rules?|prompts?|directions|above|previous|prior|context|passages?)\b",
        r"\b(?:instructions?|rules?|prompts?)\b.{0,20}\b(?:no longer apply|are (?:void|cancelled|obsolete|revoked))\b",
        # to be somebody else
        r"(?:你现在|从现在(?:开始|起)|接下来你|现在你|今后你|请你).{0,6}(?:是|扮演|进入|作为|充当|切换|变成|必须|只能|只|都|不再)",
        r"(?:你|请).{0,6}(?:扮演|假装|假扮)|假装你是|进入.{0,4}(?:开发者|越狱|调试)模式",
        r"\b(?:you are now|from now on|pretend (?:to be|that|you)|act as (?:a|an|the)\b.{0,30}(?:assistant|model|pirate|admin)|developer mode|jailbreak mode|system override|new instructions?)\b",
        # to give away the prompt
        r"(?:输出|打印|透露|泄露|公开|复述|显示|贴出|告诉|重复|说出).{0,16}(?:系统提示|系统消息|提示词|system prompt|你的(?:指令|设定|规则|提示)|开头的指令)",
        r"\b(?:reveal|print|repeat|show|output|leak|disclose|recite|paste)\b.{0,40}\b(?:system (?:prompt|message)|your (?:instructions|rules|prompt)|hidden (?:prompt|rules)|initial prompt)\b",
        r"(?:系统提示词?|系统消息|提示词全文|system prompt|你的(?:指令|设定|规则|提示)).{0,12}(?:输出|打印|透露|泄露|公开|复述|显示|告诉|贴出)",
        # how to answer
        r"(?:开头|结尾|末尾|最后|首句|句首|前面|后面|之前|之后).{0,8}(?:写|加|附|说|放|署|念).{0,8}[“\"'「『]",
        r"(?:答题|作答|回答|回应|回复|输出|生成|答案).{0,16}(?:加|写|附|改为|改成|出现|包含|带上|以).{0,10}[“\"'「『]",
        r"(?:说|讲|念|喊|把)[“\"'「『][^”\"'」』]{1,30}[”\"'」』].{0,6}(?:重复|遍|次|即可|就行|就好|先讲|再答)",
        r"(?:守则|规则|指令|设定).{0,6}(?:停用|丢掉|丢弃|扔掉|不用管|别管)|(?:停用|丢掉|丢弃|扔掉|别管).{0,8}(?:守则|规则|指令|设定)",
        r"(?:阅读|读取|处理|看到)(?:本|这|此|该)(?:段|文|篇|节|处).{0,4}的(?:程序|模型|助手|AI|机器)|(?:管理员|系统)(?:通知|公告)|系统已(?:经)?(?:升级|更新|重置)",
        r"\b(?:code ?words?|coupons?|promo(?:tion)?|passphrase)\b|\b(?:translate|sign|finish|end|begin|start) (?:your|the|it as|with a)\b.{0,12}\b(?:answer|reply|response|as|promo)\b",
        r"\b(?:whatever|everything|anything|all) you (?:say|write|generate|output|answer)\b|\bin your (?:answer|reply|response|output)\b",
        r"(?:只|仅|直接|必须|务必|一律|统一|请|都要|都应|应当).{0,8}(?:回答|回复|输出|答复|作答|写|说|返回|附上|加上)[出上下]?(?:一个|两个|几个|三个)?(?:[“\"'「『]|[：:]\s*[“\"'「『A-Z]|单词|字母|字样|这句|以下|下面|暗号|口令|固定|[A-Z]{4,})",
        r"(?:回答|回复|答案|答复|每句话|每一句|结尾|开头).{0,12}(?:必须|务必|一律|只能|请|都要).{0,12}(?:包含|写|附|加|以.{1,24}(?:开头|结尾|结束|收尾)|是[“\"'「『])",
        r"(?:不要|不得|不许|禁止|不用|别)(?:再)?(?:回答|解释|引用|写|说|输出|提供|参考)(?:任何|其他|其它|别的|其余|这个|该|问题|编号|片段|出处|以上|理由)",
        r"\b(?:answer|reply|respond|say|write|print|output|include|append|begin|start|end|finish)\b(?!\s*=)[^=]{0,30}(?:\bonly\b (?:the|with)|\bexactly\b|\bthe (?:single |magic |secret )?(?:word|phrase|string|sentence|code)\b|\bwith (?:the )?[\"'“]|[\"'“][^\"'”]{1,40}[\"'”]|\b[A-Z]{5,}\b)",
        r"\b(?:your|the|every|each|all) (?:answers?|repl(?:y|ies)|responses?|outputs?)\b.{0,24}\b(?:must|should|shall|has to|have to|is to)\b",
        r"\bdo not (?:answer|explain|cite|mention|write|use|follow|say)\b",
        # marks
        r"(?:给|打|判|评|记).{0,12}(?:满分|100\s*分|10\s*分)",
        r"\b(?:give|award|assign|grant)\b.{0,40}\b(?:full (?:marks?|score|credit)|100\s*(?:%|points?)|10\s*/\s*10)",
        # addressed to a model
        r"(?:致|告诉|提醒|通知|命令)(?:正在阅读.{0,8}的?)?(?:AI|人工智能|大?语言模型|模型|助手|机器人|面试辅导老师|辅导老师)[：:，,!！]",
        r"(?:AI|人工智能|语言模型|智能助手|助手|机器人)(?:在)?(?:看到|读到|读取|处理|遇到)(?:这|本|此|该)",
        r"(?:当|如果)你(?:看到|读到|读取|处理|遇到|收到)(?:这|本|此|该)",
        r"\b(?:note|message|instruction|attention|important|order|command)s?\b.{0,12}\b(?:to|for)\b.{0,16}\b(?:ai|llms?|assistants?|(?:language )?models?|chatbots?)\b",
        r"\b(?:dear|hey|attention,?) (?:ai|assistant|model|chatbot)\b",
        r"^\s*(?:#+\s*)?(?:system|assistant|user|human|developer|助手|用户|开发者|管理员|系统(?:消息|提示|指令|信息))(?: message| prompt)?\s*[:：]",
        r"(?:学员|学生|用户|提问者|提问的人|读者)(?:其实|真正|实际上?)(?:想|要|需要|关心)|先(?:讲|说|答|聊)(?:这个|这件|这些|它)(?:再|，|。|$)",
        # where to go
        r"(?:访问|点击|打开|前往|发送到|提交到|上传到|扫码|跳转).{0,16}(?:https?:|www\.|链接|网址|网站|二维码)",
        r"\b(?:visit|click|open|go to|send .{0,20}to|navigate to|fetch)\b.{0,24}(?:https?:|www\.|\blink\b)",
    )
]
_SENTENCE = re.compile(r"(?:[^。！？!?；;\n.]|\.(?!\s))+(?:[。！？!?；;\n.]+[^\S\n]*)?|[。！？!?；;\n.]+\s*")
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|iframe|object|svg)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
_TAG = re.compile(r"</?(?:[a-zA-Z][\w-]*|片段|问题|参考答案|系统)(?:\s[^<>\n]*)?/?>")
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]\n]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"]*\")?\)")
_ADDRESS = re.compile(r"\b(?:https?|ftp|data|javascript):[^\s<>，。；）)]*", re.IGNORECASE)
_GONE = "https:\ufffc"
_MARK = re.compile(r"(?<![A-Za-z0-9_\])`{])(?:\[\d{1,3}(?:\s*[,，、]\s*\d{1,3})*\]|【\d{1,3}】)")
# the prompt ends with the learner's question under this very label
_ASKED = re.compile(r"(?m)^[ \t]*(?:问题|Question)[ \t]*[:：]", re.IGNORECASE)
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)


def fence(text: str) -> str:
    """The passage as the model may read it. Code keeps its brackets; whatever talks to a model is left out."""
    visible = _HIDDEN.sub("", clean(text))
    visible = "".join(part if code else _bare(part) for part, code in _parts(visible))
    kept = "".join(piece for piece in _SENTENCE.findall(visible) if not is_order(piece))
    return "".join(part if code else _MARK.sub("", part).replace(_GONE, "") for part, code in _parts(kept)).strip()


def is_order(sentence: str) -> bool:
    """Whether a sentence talks to a model instead of about the subject."""
    folded = unicodedata.normalize("NFKC", sentence)
    return any(pattern.search(folded) for pattern in _ORDERS)


def _parts(text: str) -> list[tuple[str, bool]]:
    """The text in parts, and whether each is code."""
    return [(part, i % 2 == 1) for i, part in enumerate(_CODE.split(text))]


def _bare(text: str) -> str:
    """Without tags, links and our own label; an address leaves a trace, so that orders to visit it are recognised."""
    return _ADDRESS.sub(_GONE, _IMAGE_OR_LINK.sub(r"\1", _ASKED.sub("", _TAG.sub("", text))))
