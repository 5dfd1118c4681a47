"""Speed as counts and ratios: retrieval, prompt tokens, time to first token cold and with a warm prefix, decode rate.

The bare engine answers the same prompts in the same run, so that what we add shows as a ratio. Seconds differ between
machines and moments; ratios and token counts are what to compare.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from eval.results import save
from tutor.answering import build_prompt, stream_answer
from tutor.assembly import open_tutor
from tutor.records import Passage
from tutor.retrieval import retrieve
from tutor.settings import Settings

QUESTIONS = (
    "为什么缩放点积注意力要除以根号 d_k？",
    "LoRA 为什么能省显存？",
    "RAG 里怎么选分块大小？",
    "ZeRO 三个阶段有什么区别？",
    "DPO 和 PPO 有什么区别？",
    "KV cache 占多少显存怎么算？",
)


@dataclass(frozen=True, slots=True)
class Timing:
    """One generation: seconds to the first token, seconds in all, tokens read, tokens reused, tokens written."""

    first: float
    total: float
    prompt: float
    cached: float
    pieces: int

    @property
    def decode(self) -> float:
        """Tokens written a second, after the first."""
        return (self.pieces - 1) / (self.total - self.first) if self.pieces > 1 and self.total > self.first else 0.0


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tutor eval speed")
    parser.add_argument("--questions", type=int, default=len(QUESTIONS), help="how many questions")
    options = parser.parse_args(list(arguments))
    questions = QUESTIONS[: options.questions]
    tutor = open_tutor(settings)
    snapshot = tutor.library.snapshot()
    retrieve(snapshot, tutor.embeddings, "热身")
    retrieval = []
    for question in questions * 3:
        started = time.perf_counter()
        retrieve(snapshot, tutor.embeddings, question)
        retrieval.append(time.perf_counter() - started)
    rows: dict[str, float] = {
        "retrieval_p50_s": statistics.median(retrieval),
        "retrieval_max_s": max(retrieval),
    }
    if tutor.model is not None:
        rows |= _generation(tutor.model, snapshot_questions=questions, settings=settings)
    for name, value in rows.items():
        print(f"{name:32} {value:10.3f}")
    print(f"written to {save('speed', {'model': settings.model, 'rows': rows})}")
    tutor.library.close()
    return 0


def _generation(model: BaseChatModel, snapshot_questions: Sequence[str], settings: Settings) -> dict[str, float]:
    tutor = open_tutor(settings)
    snapshot = tutor.library.snapshot()
    list(model.stream("你好"))  # start the engine before any clock runs
    cold, warm, bare_cold, first_text = [], [], [], []
    for question in snapshot_questions:
        offered = [p for p in retrieve(snapshot, tutor.embeddings, question).passages if p.has_reference][:3]
        if not offered:
            continue
        prompt, _ = build_prompt(question, question, offered, ())
        started = time.perf_counter()
        sources = None
        for state in stream_answer(tutor_with(tutor, model), question):
            if sources is None:
                sources = time.perf_counter() - started
            last = state
        cold.append(last.timings)
        first_text.append(sources or 0.0)
        again = _other_question(prompt, offered)
        warm.append(_time(model, again))
        # a nonce at the very front defeats the prefix cache: the same length of prompt, read anew
        bare_cold.append(_time(model, [type(prompt[0])(f"#{time.monotonic_ns()}"), *prompt[1:]]))
    return {
        "sources_p50_s": statistics.median(first_text),
        "prompt_tokens_p95": _p95([timings["prompt_tokens"] for timings in cold]),
        "ours_first_token_p50_s": statistics.median(t["first_token_s"] for t in cold),
        "ours_generation_first_token_p50_s": statistics.median(t["first_token_s"] - t["retrieve_s"] for t in cold),
        "bare_first_token_p50_s": statistics.median(t.first for t in bare_cold),
        "warm_first_token_p50_s": statistics.median(t.first for t in warm),
        "warm_new_tokens_max": max(t.prompt - t.cached for t in warm),
        "decode_tokens_per_s": statistics.median(t.decode for t in warm),
        "bare_decode_tokens_per_s": statistics.median(t.decode for t in bare_cold),
    }


def tutor_with(tutor, model):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
    from dataclasses import replace

    return replace(tutor, model=model)


def _other_question(prompt: Sequence[BaseMessage], offered: Sequence[Passage]) -> list[BaseMessage]:
    other, _ = build_prompt("用一句话说明要点。", "用一句话说明要点。", offered, ())
    return [*prompt[:-1], other[-1]]


def _time(model: BaseChatModel, messages: Sequence[BaseMessage]) -> Timing:
    started = time.perf_counter()
    first = 0.0
    pieces = 0
    prompt = cached = 0.0
    for piece in model.stream(list(messages)):
        if piece.content:
            first = first or time.perf_counter() - started
            pieces += 1
        usage = piece.response_metadata.get("timings", {})
        prompt, cached = usage.get("prompt_tokens", prompt), usage.get("cached_tokens", cached)
    return Timing(first, time.perf_counter() - started, prompt, cached, pieces)


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]
