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
from langchain_core.messages import BaseMessage, HumanMessage

from eval.results import save
from tutor.answering import OFFERED, Tutor, build_prompt, stream_answer
from tutor.assembly import open_tutor
from tutor.prompts import ANSWER_PREFIX
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
        rows |= _generation(tutor, tutor.model, questions)
    for name, value in rows.items():
        print(f"{name:36} {value:10.3f}")
    print(f"written to {save('speed', {'model': settings.model, 'rows': rows})}")
    tutor.library.close()
    return 0


def _generation(tutor: Tutor, model: BaseChatModel, questions: Sequence[str]) -> dict[str, float]:
    for _ in model.stream([*ANSWER_PREFIX, HumanMessage("你好")]):
        pass  # the engine starts, and reads the prefix that every prompt shares, before any clock runs
    sources, ours, further, bare = [], [], [], []
    for question in questions:
        started = time.perf_counter()
        states = stream_answer(tutor, question)
        first = next(states)
        sources.append(time.perf_counter() - started)
        *_, last = states
        if not last.timings["prompt_tokens"]:
            continue
        ours.append(last.timings)
        offered = [passage for passage in first.passages if passage.has_reference][:OFFERED]
        prompt, _ = build_prompt(question, question, offered, ())
        # the same question on other words in front of the passages: as long, and just as little of it read before
        text = str(prompt[-1].content)
        bare.append(_time(model, [*prompt[:-1], HumanMessage(f"({time.monotonic_ns() % 997}){text}")]))
        other, _ = build_prompt("用一句话说说要点。", "用一句话说说要点。", offered, ())
        further.append(_time(model, other))
    generation = statistics.median(timings["first_token_s"] - timings["retrieve_s"] for timings in ours)
    engine = statistics.median(timing.first for timing in bare)
    return {
        "sources_p50_s": statistics.median(sources),
        "prompt_tokens_p95": _p95([timings["prompt_tokens"] for timings in ours]),
        "prompt_tokens_cached_p50": statistics.median(timings["cached_tokens"] for timings in ours),
        "first_token_p50_s": statistics.median(timings["first_token_s"] for timings in ours),
        "bare_engine_first_token_p50_s": engine,
        "first_token_ours_over_bare": generation / engine,
        "same_passages_new_tokens_max": max(timing.prompt - timing.cached for timing in further),
        "same_passages_first_token_p50_s": statistics.median(timing.first for timing in further),
        "decode_tokens_per_s": statistics.median(timing.decode for timing in (*bare, *further)),
    }


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
