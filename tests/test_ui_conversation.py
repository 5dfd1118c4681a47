"""A conversation keeps what was said, whatever ends it."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from tests.fakes import ScriptedModel, WordJudge, judge_by_words
from tutor.answering import Tutor
from tutor.history import open_history
from tutor.ui import conversation as talk
from tutor.ui.chat import conversation_list
from tutor.ui.rendering import evidence, messages
from tutor.ui.services import Services, learner_of
from tutor.ui.words import Words

ZH = Words("zh")
ASKED = "为什么缩放点积注意力要除以 √d_k？"
REPLY = "除以 √d_k 是为了让点积的方差回到 1。[1] 否则 softmax 进入饱和区。[1]"


@pytest.fixture
def open_services(settings, embeddings, library):
    opened = []

    def build(*replies):
        model = ScriptedModel(replies=list(replies)) if replies else None
        history = open_history(settings.database)
        opened.append(history)
        tutor = Tutor(library, embeddings, model, judge_by_words, "zh")
        return Services(
            settings, tutor, WordJudge(), history, lambda: datetime(2026, 1, 1, tzinfo=UTC), lambda rows: rows[0]
        )

    yield build
    for history in opened:
        history.close()


def test_the_evidence_comes_before_the_words(open_services):
    stages = list(talk.converse(open_services(REPLY), ZH, "me", "c", (), ASKED))
    first = next(turns for turns in stages if turns[-1].answer.passages)
    assert first[-1].answer.text == ""
    assert "tiny.md" in evidence(first[-1].answer, ZH)
    assert stages[-1][-1].answer.done and stages[-1][-1].id


def test_a_finished_answer_survives_a_restart(open_services):
    *_, turns = talk.converse(open_services(REPLY), ZH, "me", "c", (), ASKED)
    assert talk.load_turns(open_services(REPLY), "me", "c") == turns


def test_learners_and_conversations_never_mix(open_services):
    services = open_services(REPLY, REPLY)
    list(talk.converse(services, ZH, "ada", "c1", (), ASKED))
    list(talk.converse(services, ZH, "bob", "c2", (), "LoRA 为什么省显存？"))
    assert [turn.question for turn in talk.load_turns(services, "ada", "c1")] == [ASKED]
    assert talk.load_turns(services, "bob", "c1") == ()
    assert ASKED not in conversation_list(services.history.conversations("bob"), "", ZH)


def test_stopping_stops_the_model_and_keeps_what_was_written(open_services):
    services = open_services(REPLY * 20)
    stream = talk.converse(services, ZH, "me", "c", (), ASKED)
    for turns in stream:
        if turns[-1].answer.text:
            break
    stream.close()
    assert services.tutor.model.closed and services.tutor.model.closed[0] < 100
    (kept,) = talk.load_turns(services, "me", "c")
    assert kept.answer.text and not kept.answer.done
    assert "已停止" in messages([kept], ZH)[-1]["content"]


class SlowReader(ScriptedModel):
    """Reads its prompt for a long time, which shows as empty pieces, before it says anything."""

    def _stream(self, *given, **named):
        try:
            for _ in range(1000):
                time.sleep(0.002)
                yield ChatGenerationChunk(message=AIMessageChunk(""))
        finally:
            self.closed.append(0)
        yield from super()._stream(*given, **named)


def test_stopping_works_while_the_prompt_is_still_read(open_services):
    services = open_services(REPLY)
    slow = SlowReader(replies=[REPLY])
    services = replace(services, tutor=replace(services.tutor, model=slow))
    stream = talk.converse(services, ZH, "me", "c", (), ASKED)
    while not next(stream)[-1].answer.passages:
        pass
    next(stream)
    stream.close()
    assert slow.closed == [0] and slow.seen == []
    assert talk.load_turns(services, "me", "c") == ()


def test_asking_again_replaces_the_answer_when_loaded(open_services):
    services = open_services(REPLY, "方差回到 1。[1]")
    list(talk.converse(services, ZH, "me", "c", (), ASKED))
    *_, turns = talk.converse(services, ZH, "me", "c", (), ASKED)
    assert talk.load_turns(services, "me", "c") == turns
    assert len(services.history.turns("me", "c")) == 2


def test_nothing_relevant_is_refused_without_the_model_and_in_the_page_language(open_services):
    services = open_services(REPLY)
    *_, turns = talk.converse(services, Words("en"), "me", "c", (), "zzz qqq xyzzy")
    assert turns[-1].answer.refused and services.tutor.model.seen == []
    assert "do not make answers up" in turns[-1].answer.text


def test_a_failure_is_shown_in_the_conversation(open_services, settings):
    services = open_services(REPLY)
    (settings.index / "CURRENT").unlink()
    *_, turns = talk.converse(services, ZH, "me", "c", (), ASKED)
    assert "tutor index" in turns[-1].error and not services.history.turns("me", "c")


def test_a_question_that_is_too_long_says_so(open_services):
    *_, turns = talk.converse(open_services(REPLY), ZH, "me", "c", (), "问" * 50_000)
    assert "50000" in turns[-1].error


def test_how_to_say_it_is_checked_sentence_by_sentence(open_services):
    services = open_services(REPLY, "点积的方差随维度线性增长。天上有七个太阳。")
    *_, turns = talk.converse(services, ZH, "me", "c", (), ASKED)
    *_, said = talk.say_it(services, ZH, turns)
    assert "面试怎么说" in said[-1].extra[0] and "[1]" not in said[-1].extra[0]
    assert '<mark class="unsupported"' in said[-1].extra[0] and said[-1].answer == turns[-1].answer


def test_what_to_remember_needs_no_model(open_services):
    services = open_services()
    *_, turns = talk.converse(services, ZH, "me", "c", (), ASKED)
    (kept,) = talk.keep_in_mind(services, ZH, turns)
    assert "点积的方差随维度线性增长" in kept.extra[0] and "点积的方差与维度无关" in kept.extra[0]
    assert list(talk.say_it(services, ZH, turns)) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_on_the_own_machine_the_learner_is_the_configured_one(settings, host):
    assert learner_of(replace(settings, host=host), None, "cookie") == settings.learner


def test_elsewhere_every_browser_is_its_own_learner(settings):
    public = replace(settings, host="0.0.0.0")
    assert learner_of(public, None, "a") != learner_of(public, None, "b")
    assert learner_of(public, "ada", "a") == "ada"
