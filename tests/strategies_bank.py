"""Hypothesis strategies: banks in our own format, and texts that look like banks without being any."""

from hypothesis import strategies as st

from tutor.quantities import UNITS, compute
from tutor.records import (
    Bank,
    Calculation,
    KeyPoint,
    Misconception,
    Note,
    Option,
    Quantity,
    Question,
)

SKILLS = ("attention", "memory", "rag", "serving")
_LETTERS = "abcXYZ019 得分点注意力机制显存，。？：-_+=$\\{}[]()<>/|&%@éß√θ٣"


def words(without: str = "", most: int = 30) -> st.SearchStrategy[str]:
    """A line of text that means nothing to the format."""
    alphabet = [c for c in _LETTERS if c not in without]
    return (
        st.text(alphabet, min_size=1, max_size=most)
        .map(lambda t: " ".join(t.split()))
        .filter(lambda t: t and not t.startswith(("-", ">")) and set(t) - set(" -_=*"))
    )


def paragraphs() -> st.SearchStrategy[str]:
    """Markdown of several lines."""
    line = st.one_of(words(), st.just(""), words().map(lambda t: f"- {t}"), words().map(lambda t: f"#### {t}"))
    code = st.just("```python\n### no heading\n**no part**\n```")
    return st.lists(st.one_of(line, code), min_size=1, max_size=5).map("\n".join).map(str.strip).filter(bool)


def slugs() -> st.SearchStrategy[str]:
    return st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,4})?", fullmatch=True)


@st.composite
def calculations(draw: st.DrawFn) -> Calculation:
    amount = st.floats(min_value=1e-3, max_value=1e12, allow_nan=False)
    unit = st.sampled_from(sorted(UNITS))
    note = st.one_of(st.just(""), words("()"))
    given = tuple(Quantity(f"x{n}", draw(amount), draw(unit), draw(note)) for n in range(draw(st.integers(1, 3))))
    steps = [("y", " * ".join(q.name for q in given)), ("z_1", "y / 3 + sqrt(x0) ** 2 - min(x0, 1)")]
    values = compute(Calculation(given, tuple(steps), ()))
    results = []
    for name, _ in steps:
        scale = draw(unit)
        tolerance = draw(st.integers(1, 50)) / 100
        results.append(Quantity(name, values[name] / UNITS[scale], scale, tolerance=tolerance))
    return Calculation(given, tuple(steps), tuple(results))


@st.composite
def questions(draw: st.DrawFn, bank: str, number: int, line: int, trail: tuple[str, ...]) -> Question:
    kind = draw(st.sampled_from(["open", "choice", "calculation"]))
    several = st.lists(words(";"), max_size=2).map(tuple)
    fields = {
        "id": f"{bank}-{draw(slugs())}-{number}", "bank": bank, "path": "x.md", "line": line, "text": draw(words()),
        "kind": kind, "trail": trail, "difficulty": draw(st.integers(1, 10)),
        "skills": tuple(draw(st.lists(st.sampled_from(SKILLS), min_size=1, max_size=2, unique=True))),
        "aliases": draw(several), "sources": (draw(words(";")), *draw(several)),
        "followups": tuple(draw(st.lists(slugs(), max_size=2))),
    }  # fmt: skip
    if kind == "choice":
        options = tuple(Option(label, draw(words()), draw(words())) for label in "ABCDE"[: draw(st.integers(2, 5))])
        key = draw(st.sets(st.sampled_from([o.label for o in options]), min_size=1))
        return Question(**fields, options=options, key="".join(sorted(key)),
                        reference=draw(st.one_of(st.just(""), paragraphs())))  # fmt: skip
    if kind == "calculation":
        return Question(**fields, calculation=draw(calculations()), reference=draw(paragraphs()))
    points = tuple(KeyPoint(draw(words()), float(draw(st.integers(1, 5)))) for _ in range(draw(st.integers(1, 4))))
    wrong = st.builds(Misconception, words(), st.integers(1, len(points)))
    return Question(**fields, points=points, reference=draw(paragraphs()),
                    misconceptions=tuple(draw(st.lists(wrong, max_size=2))))  # fmt: skip


@st.composite
def banks(draw: st.DrawFn) -> Bank:
    """A bank that our own format can hold."""
    name, title = draw(slugs()), draw(words(":"))
    found: list[Question] = []
    notes: list[Note] = []
    line = 1
    sections = draw(st.lists(words(), min_size=1, max_size=3, unique=True))
    for trail in [(title,), *((title, section) for section in sections)]:
        if draw(st.booleans()):
            text = draw(words())
            notes.append(Note(f"n{line}", name, "x.md", line, text, trail))
            line += 1
        for _ in range(draw(st.integers(0, 2))):
            found.append(draw(questions(name, len(found), line, trail)))
            line += 1
    if not found:
        found.append(draw(questions(name, 0, line, (title, sections[-1]))))
    return Bank(name, title, "x.md", "corpus", tuple(found), tuple(notes))


FRAGMENTS = (
    "# 标题", "## 一、小节", "### 什么是重排？", "#### **12. 为什么？**", "---", "- 1. 什么是量化?", " - 。 子项", "○ 又一项",
    "颢", "0", "12", "一、章节", "（二）小节", "量化篇(3题)", "**问题 1:**", "> 哪一个？", ">", "> A. 甲", "> B. 乙", "A. 甲",
    "B. 乙 C. 丙", "正确答案: B. 乙", "答案：AC", "<details>", "<summary>点击查看答案</summary>", "<summary>什么？</summary>",
    "</details>", "<p><strong>", "</strong></p>", "Q: 什么是缓存？", "A: 一块内存。", "1. **Q**: 为什么？", "   **A**: 因为。",
    "   **Q**: 那为什么？", "追问：还有呢？", "**答：**", "**解答**：", "**题目**：估算显存？", "### 计算题1：显存", "**1. 什么？**",
    "2. 什么是注意力？", "   它是加权平均。", "- KV缓存：2 × 3 = 9GB", "- **总计**：约3GB", "```", "```python", "~~~", "    缩进",
    "| 能力点 | 3 | [去](#无) |", "**技能难度评分:** 3/10", "**难度:** 0/0", "<a id='x'></a>", "- [目录](#x)", "- [ ] 待办",
    "- id: a-b", "bank: a", "title: b", "**参考答案**", "**得分点**", "- [3] 要点", "- [9] 要点", "**选项**", "**算式**",
    "- x = 1 GB (注)", "- y = x ** 99", "**结果**", "- y = 1 (± 3%)", "$x^{2", "\t- 缩进项", "* 星号", "", "", "   ", "\u200b",
    '{"question": "什么？"}', '{"q": 1}', "[", "question,answer", '"未闭合', "a\tb\tc", "#separator:tab",
)  # fmt: skip


def soups() -> st.SearchStrategy[str]:
    """Lines of all formats in any order, mixed with arbitrary text."""
    anything = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40)
    line = st.one_of(st.sampled_from(FRAGMENTS), st.sampled_from(FRAGMENTS), anything)
    return st.lists(line, min_size=1, max_size=40).map("\n".join)
