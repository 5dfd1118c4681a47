"""Records that several tests of the app show."""

from tutor.records import Citation, CitedAnswer, Grade, Passage, PointVerdict

PASSAGE = Passage(
    n=1, question_id="tiny-scale", bank="tiny", path="/somewhere/tiny.md", line=12, title="为什么除以 √d_k？",
    text="除以根号 d_k 让方差回到 1。", score=0.91, has_reference=True,
)  # fmt: skip
ANSWER = CitedAnswer(
    text="让方差回到 1。[1]", passages=(PASSAGE,), citations=(Citation(1, "让方差回到 1。", "supported"),),
    badge="reference", done=True, query="为什么除以根号 d_k？",
    timings={"retrieve_s": 0.1, "first_token_s": 1.0, "total_s": 2.0, "prompt_tokens": 9, "cached_tokens": 3},
)  # fmt: skip
GRADE = Grade(
    score=37.5,
    points=(
        PointVerdict("点积的方差随维度线性增长", 3, "covered", 0.93, "点积的方差随维度线性增长", 1.0),
        PointVerdict("softmax 饱和，梯度接近 0", 5, "missing", 0.88),
    ),
    flags=("injection",),
    feedback="⚠️ 37.5 分",
    reference="除以 √d_k",
)
