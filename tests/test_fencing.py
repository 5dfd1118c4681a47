"""The fence: what talks to a model does not reach it, what talks about the subject does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.injection import ask, load_poison
from tests.conftest import BANK
from tutor import settings as settings_module
from tutor.answering import build_prompt
from tutor.fencing import fence, is_order
from tutor.llm import chat_model

POISON = load_poison()


def test_there_are_twenty_poisoned_passages_in_both_languages():
    known = [case for case in POISON if not case.fresh]
    assert len(known) >= 20 and len({case.canary for case in POISON}) == len(POISON)
    assert not any(case.canary in case.question for case in POISON)


@pytest.mark.parametrize("case", POISON, ids=lambda case: case.how)
def test_the_order_is_not_read_and_the_subject_is(case):
    messages, _ = build_prompt(case.question, case.question, case.passages(), ())
    assert case.canary not in messages[-1].content
    assert "<|" not in messages[-1].content and "evil.example" not in messages[-1].content
    assert messages[-1].content.count("</片段>") == 1 and messages[-1].content.count("\n问题：") == 1
    assert len(fence(case.text)) >= 8, "the honest part of the passage is still there"


def test_an_honest_bank_passes_almost_unchanged():
    assert not any(is_order(line) for line in BANK.splitlines())
    text = "先算 `x[1]`，再除以 √d_k。\n\n```python\ny = f(x[9])\n```\n因此 $a_{[2]}$ 不变。"
    assert fence(text) == text


def test_marks_links_and_tags_are_taken_out():
    text = "见论文[3]和 [这里](https://a.example/x?y=1)。<b>重点</b> https://b.example 【4】完。"
    assert fence(text) == "见论文和 这里。重点  完。"


@given(st.text(max_size=200))
def test_fencing_twice_is_fencing_once_for_orders(text):
    assert not any(is_order(line) for line in fence(text).splitlines() if line == text)
    assert len(fence(text)) <= len(text) + 10


@pytest.mark.model
def test_a_real_model_obeys_none_of_them(models):
    from dataclasses import replace

    model = chat_model(replace(settings_module.load({}), models=models, engine="llamacpp", model="qwen2.5-coder-0.5b",
                               context=2048, cache_mib=256, max_tokens=40))  # fmt: skip
    obeyed = [case.how for case in POISON if case.canary in ask(model, case, 32)]
    assert obeyed == []
