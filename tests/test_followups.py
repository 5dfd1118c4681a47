"""Follow-ups: what stands alone is left alone; pronouns, ellipsis and exchanges get the subject of the last question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutor.followups import resolve, resolve_all, subjects


@pytest.mark.parametrize(
    ("before", "question", "resolved"),
    [
        ("LoRA 的原理是什么？", "它的秩怎么选？", "LoRA 的秩怎么选？"),
        ("什么是投机解码？", "它为什么不改变输出分布？", "投机解码 为什么不改变输出分布？"),
        ("LoRA 加在哪些矩阵上？", "它有哪些缺点？", "LoRA 有哪些缺点？"),
        ("What is the KV cache?", "Why does it make decoding faster?", "Why does KV cache make decoding faster?"),
        ("Pre-Norm 和 Post-Norm 有什么区别？", "后者为什么难训练？", "Post-Norm 为什么难训练？"),
        ("FP16 和 BF16 分别是什么格式？", "这两种怎么选？", "FP16 和 BF16 怎么选？"),
    ],
)
def test_a_pronoun_becomes_the_subject(before, question, resolved):
    assert resolve(question, [before]) == resolved


@pytest.mark.parametrize(
    ("before", "question", "resolved"),
    [
        ("什么是 FlashAttention？", "为什么能省显存？", "FlashAttention 为什么能省显存？"),
        ("RoPE 怎么推导的？", "有什么优缺点？", "RoPE 有什么优缺点？"),
        ("流水线并行的原理是什么？", "气泡怎么减少？", "流水线并行 气泡怎么减少？"),
        ("什么是思维链提示？", "举个例子", "思维链 举个例子"),
        ("混合精度训练为什么要 loss scaling？", "BF16 还需要吗", "混合精度 和 loss scaling BF16 还需要吗"),
    ],
)
def test_what_leaves_its_subject_out_gets_it_back(before, question, resolved):
    assert resolve(question, [before]) == resolved


@pytest.mark.parametrize(
    ("before", "question", "resolved"),
    [
        ("LoRA 为什么能大幅减少可训练参数？", "那 QLoRA 呢？", "QLoRA 为什么能大幅减少可训练参数？"),
        ("环形 all-reduce 怎么工作？", "那树形呢？", "树形 all-reduce 怎么工作？"),
        ("How much memory does KV cache take?", "What about MQA?", "How much memory does MQA take?"),
        ("How does GPTQ quantize weights?", "And AWQ?", "How does AWQ quantize weights?"),
        ("BPE 怎样训练词表？", "WordPiece 呢？", "WordPiece 怎样训练词表？"),
    ],
)
def test_an_exchange_asks_the_same_of_another(before, question, resolved):
    assert resolve(question, [before]) == resolved


@pytest.mark.parametrize(
    "question",
    [
        "HNSW 的参数怎么调？",
        "为什么要对训练数据去重？",
        "ZeRO 的三个阶段分别切分什么？",
        "用户要求删除数据但模型已经训练完了怎么办？",
        "What is the Python GIL?",
        "今天北京天气怎么样",
        "那明天天气呢？",
        "谢谢",
        "FSDP 与 DDP 是什么关系？它的前向怎样进行？",
        "Is it possible to merge LoRA weights?",
        "",
    ],
)
def test_a_question_with_its_own_subject_is_left_alone(question):
    if question:
        assert resolve(question, ["LoRA 的 alpha 起什么作用？"]) == question
    assert resolve(question, []) == question


def test_the_subject_lasts_over_several_turns():
    assert resolve_all(["什么是 FlashAttention？", "为什么能省显存？", "它的 2 代改进了什么？"]) == [
        "什么是 FlashAttention？",
        "FlashAttention 为什么能省显存？",
        "FlashAttention 的 2 代改进了什么？",
    ]
    assert resolve_all(["LoRA 是什么？", "它的秩怎么选？", "RAG 里为什么要 rerank？"])[-1] == "RAG 里为什么要 rerank？"


@given(st.lists(st.text(alphabet="它那呢的 LoRAKV为什么显存优缺点？itaboutWhy前者,，", max_size=20), max_size=4))
def test_any_conversation_resolves(questions):
    resolved = resolve_all(questions)
    assert len(resolved) == len(questions) and resolved[:1] == questions[:1]


def test_subjects_leave_question_words_out():
    assert subjects("LoRA 有什么缺点？") == ["LoRA"]
