"""Text of others is shown and does nothing; formulas and code survive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutor.records import Citation
from tutor.ui.markup import cite, highlight, inline, plain, safe

TITLES = {"weak": "weak", "unsupported": "unsupported"}


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<style>body{display:none}</style>",
        "<iframe src='http://evil.example'></iframe>",
        "<a href='javascript:alert(1)'>x</a>",
        "<b onclick=alert(1)>x</b>",
        "<details ontoggle=alert(1) open>x</details>",
    ],
)
def test_tags_do_nothing(attack):
    for shown in (safe(attack), inline(attack)):
        assert "onerror" not in shown.replace("&lt;img src=x onerror=alert(1)&gt;", "")
        assert not any(f"<{tag}" in shown for tag in ("script", "img", "svg", "style", "iframe", "a ", "b ", "details"))


def test_tokens_in_angle_brackets_are_shown_as_text():
    assert (
        safe("句首是 <s>，填充是 <pad>，模板是 <|im_start|>")
        == "句首是 &lt;s&gt;，填充是 &lt;pad&gt;，模板是 &lt;|im_start|>"
    )


@pytest.mark.parametrize("text", ["![图](http://evil.example/a.png)", "![](data:image/svg+xml;base64,AA)"])
def test_images_are_not_loaded(text):
    assert "](" not in safe(text)


@pytest.mark.parametrize("target", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil.example"])
def test_only_plain_web_links_stay(target):
    assert safe(f"[看这里]({target})") == "看这里"
    assert safe("[论文](https://arxiv.org/abs/1706.03762)") == "[论文](https://arxiv.org/abs/1706.03762)"


def test_formulas_and_code_pass_unchanged():
    text = "若 $a<b$ 则\n\n$$\\sum_i x_i < 1$$\n\n```python\nif a < b: print('<script>')\n```\n用 `x[1] < 2`"
    shown = safe(text)
    assert "\\(a<b\\)" in shown
    assert "$$\\sum_i x_i < 1$$" in shown
    assert "if a < b: print('<script>')" in shown
    assert "`x[1] < 2`" in shown


def test_a_formula_may_touch_chinese_text():
    assert safe("为什么要除以${\\sqrt{d_k}}$？") == "为什么要除以\\({\\sqrt{d_k}}\\)？"


def test_money_is_not_a_formula():
    assert safe("A100 每小时 $2，H100 每小时 $4。") == "A100 每小时 $2，H100 每小时 $4。"
    assert safe("costs $5 and $10") == "costs $5 and $10"


@given(st.text())
def test_any_text_can_be_shown(text):
    assert isinstance(safe(text), str)
    assert "<script" not in inline(text).lower()
    assert len(plain(text, 50)) <= 50


def test_citations_lead_to_the_cards_that_exist():
    shown = cite("结论。[1] 另一句。[7]", [], [1, 2], TITLES)
    assert '<a class="cite" href="#passage-1">1</a>' in shown
    assert "[7]" in shown


def test_doubtful_sentences_are_marked_and_the_worst_counts():
    citations = [
        Citation(1, "天上有七个太阳", "weak"),
        Citation(2, "天上有七个太阳", "unsupported"),
        Citation(1, "对的", "supported"),
    ]
    shown = cite("对的。[1] 天上有七个太阳。[1][2] 完。", citations, [1, 2], TITLES)
    assert shown.count("<mark") == 1
    assert '<mark class="unsupported" title="unsupported">天上有七个太阳</mark>' in shown


def test_a_citation_inside_code_is_an_index():
    assert cite("`x[1]`", [], [1], TITLES) == "`x[1]`"


@given(st.text(max_size=60), st.text(min_size=1, max_size=20))
def test_the_reply_survives_highlighting(reply, quote):
    import html
    import re

    shown = highlight(reply, [("covered", quote)])
    assert html.unescape(re.sub(r"</?mark[^>]*>", "", shown).replace("<br>", "\n")) == reply


def test_quotes_are_highlighted_where_they_stand():
    assert highlight("甲<乙>丙", [("covered", "<乙>")]) == '甲<mark class="covered">&lt;乙&gt;</mark>丙'
