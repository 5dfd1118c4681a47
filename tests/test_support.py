"""The support of a sentence by a passage: by words at one place, overruled by numbers, negations, better passages."""

import pytest

from eval.citation_cases import pairs
from eval.citations import count, is_claim, planted
from tutor.lexical import LexicalIndex
from tutor.polarity import contradicts
from tutor.records import Citation, CitedAnswer, Passage
from tutor.support import share, support_judge, unknown_numbers, unmentioned

SCALE = "为什么缩放点积注意力要除以 √d_k？\n除以 √d_k 是为了让点积的方差回到 1。点积的方差随维度线性增长，过大时 softmax 进入饱和区，梯度接近 0。"
LORA = "LoRA 为什么省显存？\nLoRA 冻结原权重，只训练两个低秩矩阵，所以优化器状态只需为很少的参数保存，显存大幅下降。"


@pytest.fixture(scope="module")
def lexical():
    return LexicalIndex([SCALE, LORA, "Kafka 是消息队列"])


@pytest.fixture(scope="module")
def judge(lexical):
    class Same:
        def embed_documents(self, texts):
            about = ("variance" in text or "方差" in text for text in texts)
            return [[1.0, 0.0] if one else [0.0, float("Adapters" not in text)] for one, text in zip(about, texts, strict=True)]

    return support_judge(Same(), lexical.terms)


@pytest.mark.parametrize("sentence,passage,support", [
    ("点积的方差随维度线性增长，softmax 会饱和。", SCALE, "supported"),
    ("1. LoRA 只训练低秩矩阵，原权重冻结。", LORA, "supported"),
    ("点积的方差随维度线性增长，softmax 会饱和。", LORA, "unsupported"),
    ("LoRA 只训练 3 个低秩矩阵，原权重冻结。", LORA, "unsupported"),
    ("The variance stays at one.", SCALE.replace("1", "one"), "supported"),
    ("Adapters are small.", SCALE, "unsupported"),
])  # fmt: skip
def test_a_sentence_is_supported_by_what_says_it(judge, sentence, passage, support):
    assert judge([(passage, sentence)], ()) == [support]


def test_a_better_passage_at_hand_casts_doubt(judge):
    mixed = "总览\n点积的方差与注意力有关，梯度也有关。"
    sentence = "点积的方差随维度线性增长，梯度接近 0。"
    alone, beside = judge([(mixed, sentence)], ()), judge([(mixed, sentence)], (SCALE,))
    assert beside[0] != "supported" or alone[0] != "supported"
    assert judge([(SCALE, sentence)], (mixed, SCALE)) == ["supported"]


@pytest.mark.parametrize("sentence,passage", [
    ("GQA 会改变注意力的计算复杂度", "GQA 不会改变注意力的计算复杂度"),
    ("GQA 不会改变注意力的计算复杂度", "GQA 会改变注意力的计算复杂度"),
    ("秩越大，LoRA 的参数越少", "秩越大，LoRA 的参数越多"),
])  # fmt: skip
def test_the_opposite_is_seen(sentence, passage):
    assert contradicts(sentence, passage) and not contradicts(passage, passage)


def test_numbers_must_be_in_the_passage_in_figures_or_spelt():
    assert unknown_numbers("分三步，共 1,024 个，误差 5%", "分为 3 步：1024 个；5%") == set()
    assert unknown_numbers("共 3 类", "共三类") == set()
    assert unknown_numbers("共 12 类", "共 1 和 2 类") == {"12"}


def test_share_is_a_share(lexical):
    assert share(lexical.terms("LoRA 冻结原权重"), "LoRA 冻结原权重", LORA) == pytest.approx(1.0)
    assert share((), "！", LORA) == 0.0


def test_names_that_no_passage_mentions_are_told(lexical):
    assert unmentioned("LoRA 和 Kafka 有什么区别？", [LORA], lexical) == ("Kafka",)
    assert unmentioned("LoRA 为什么省显存？", [LORA], lexical) == ()
    assert unmentioned("What is Kafka?", [LORA], lexical) == ()


def test_planted_pairs_are_counted_by_what_is_right(library, judge):
    made = list(pairs(library.snapshot().questions()))
    assert {case.kind for case in made} >= {"point", "random", "nearest", "sentence", "misconception"}
    assert all(case.sentence for case in made) and made == list(pairs(library.snapshot().questions()))
    table = planted(made, judge)
    assert all(0 <= row["right"] <= 1 for part in table.values() for row in part.values())


def test_an_answer_is_counted():
    passage = Passage(1, "a", "b", "p", 1, "t", "x", 0.9)
    answer = CitedAnswer("方差会随维度变大。[1] 这句话没有出处。如下：", (passage,), badge="reference",
                         citations=(Citation(1, "方差会随维度变大。", "weak"),))  # fmt: skip
    counted = count(answer)
    assert (counted["claims"], counted["cited"], counted["dangling"], counted["weak"]) == (2, 1, 0, 1)
    assert not is_claim("为什么要这么做呢？") and not is_claim("好的。")
