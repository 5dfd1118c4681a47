"""The pages: what their handlers do, who is let in, what the server is told."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import gradio as gr  # noqa: TID251 (these are the tests of the app)
import pytest

from ingest.banks import add
from tests.fakes import WordJudge, judge_by_words
from tests.ui_records import GRADE
from tutor.answering import Tutor
from tutor.errors import IndexFault, TutorError, WeightsError
from tutor.history import open_history
from tutor.records import Attempt
from tutor.ui.about import about_html, card_html, card_line, read_card
from tutor.ui.app import build_app, homes
from tutor.ui.banks import Banks, upload_path
from tutor.ui.chat import Chat
from tutor.ui.guard import Guard
from tutor.ui.page import telling, timer
from tutor.ui.practice import Practice
from tutor.ui.selection import Wanted, draw, followups, gradable, matching
from tutor.ui.services import Services
from tutor.ui.words import Words

ZH = Words("zh")


class AbsentJudge:
    """A point judge whose weights are not there."""

    def verdicts(self, question, reply, points):
        raise WeightsError("adapter.safetensors is missing; run `tutor weights`")


def request(username=None, cookie=""):
    return SimpleNamespace(username=username, cookies={"tutor_learner": cookie})


@pytest.fixture
def services(settings, embeddings, library):
    history = open_history(settings.database)
    tutor = Tutor(library, embeddings, None, judge_by_words, "zh")
    yield Services(
        settings, tutor, WordJudge(), history, lambda: datetime(2026, 1, 1, tzinfo=UTC), lambda rows: rows[0]
    )
    history.close()


def laid_out(page, *given):
    """Build a page as the server does: inside a running event loop. Gradio opens one and leaves it open otherwise."""

    async def build():
        with gr.Blocks(analytics_enabled=False):
            return page(*given)

    return asyncio.run(build())


@pytest.fixture
def practice(services):
    return laid_out(Practice, services, ZH)


@pytest.fixture
def banks(services):
    return laid_out(Banks, services, ZH)


@pytest.fixture
def app(services):
    async def build():
        return build_app(services)

    return asyncio.run(build())


def test_the_app_has_both_languages_and_shares_one_line_for_the_model(app):
    assert [page[0] for page in app.pages] == ["", "en"]
    answering = [fn for fn in app.fns.values() if fn.concurrency_id == "language-model"]
    grading = [fn for fn in app.fns.values() if fn.concurrency_id == "grading"]
    assert len(answering) >= 8 and grading
    assert {fn.concurrency_limit for fn in answering} <= {1, "default"}


def test_nothing_is_offered_to_programs_and_nothing_is_measured(app):
    assert not app.analytics_enabled
    assert {fn.api_visibility for fn in app.fns.values()} == {"private"}


def test_html_is_sanitised_everywhere(app):
    shown = [block for block in app.blocks.values() if isinstance(block, gr.Markdown | gr.Chatbot)]
    assert shown and all(block.sanitize_html for block in shown)
    assert not any(block.allow_tags for block in shown if isinstance(block, gr.Chatbot))


def test_a_reply_is_graded_kept_and_shown(practice, services):
    shown, attempt, appealing, points, *_ = practice.graded(
        "tiny-scale", 0.0, None, [], "点积的方差随维度线性增长", request()
    )
    assert "score" in shown and attempt == services.history.attempts("me")[0].id
    assert appealing.visible and points.choices


def test_a_choice_is_graded_by_its_letter(practice):
    shown, _, appealing, *_ = practice.graded("tiny-kv", 0.0, "B", [], "", request())
    assert '<span class="big">100</span>' in shown and not appealing.visible


def test_without_the_judge_there_is_no_number_but_choices_still_work(services, settings):
    from dataclasses import replace

    practice = laid_out(Practice, replace(services, judge=AbsentJudge()), ZH)
    shown, attempt, *_ = practice.graded("tiny-scale", 0.0, None, [], "点积的方差随维度线性增长", request())
    assert "未评分" in shown and "adapter.safetensors" in shown and "big" not in shown
    assert attempt == 0 and services.history.attempts("me") == []
    shown, *_ = practice.graded("tiny-kv", 0.0, "B", [], "", request())
    assert '<span class="big">100</span>' in shown


def test_an_appeal_and_its_undo_are_told(practice, services):
    _, attempt, *_ = practice.graded("tiny-scale", 0.0, None, [], "点积的方差随维度线性增长，要缩放。", request())
    told = practice.appealed(attempt, 2, "我说的缩放就是除以 √d_k 之后点积的方差回到 1", request())
    assert told.startswith("申诉成立")
    assert services.history.aliases("me", "tiny-scale")
    assert "撤销" in practice.undone(attempt, request())
    assert not services.history.aliases("me", "tiny-scale")


def test_an_attempt_of_somebody_else_cannot_be_appealed_or_opened(practice, services):
    attempt = services.history.add_attempt("you", "tiny-scale", "回答", GRADE, services.now())
    assert practice.appealed(attempt, 1, "这是别人的作答，我不该看到", request()) == ZH("appeal_empty")
    assert practice.undone(attempt, request()) == ZH("appeal_none")
    shown = practice.reopened(request(), SimpleNamespace(id=str(attempt)))
    assert not any("回答" in str(part) for part in shown)


def test_an_earlier_attempt_is_shown_with_its_reply_and_grade(practice, services):
    attempt = services.history.add_attempt("me", "tiny-scale", "我的旧回答", GRADE, services.now())
    shown = practice.reopened(request(), SimpleNamespace(id=str(attempt)))
    assert any("37.5" in str(part) for part in shown)


def test_drawing_prefers_what_was_never_answered(services, practice):
    snapshot = services.snapshot()
    found = [question for question in snapshot.questions() if gradable(question, snapshot)]
    done = [Attempt(i, "me", question.id, "", GRADE, "") for i, question in enumerate(found[:-1])]
    assert draw(found, done, "", lambda rows: rows[0]) == found[-1].id
    assert draw(found, [], found[0].id, lambda rows: rows[0]) != found[0].id
    assert draw([], [], "", lambda rows: rows[0]) == ""


def test_filters_restrict_and_combine(services):
    snapshot = services.snapshot()
    assert [one.id for one in matching(snapshot, Wanted(kind="choice"))] == ["tiny-kv"]
    assert [one.id for one in matching(snapshot, Wanted(level="medium"))] == ["tiny-lora"]
    assert matching(snapshot, Wanted(kind="choice", level="medium")) == []
    assert {one.id for one in matching(snapshot, Wanted(skill="attention"))} == {"tiny-scale", "tiny-heads"}
    assert len(matching(snapshot, Wanted())) == len(snapshot.questions())


def test_follow_ups_are_the_banks_own(services):
    snapshot = services.snapshot()
    assert [one.id for one in followups(snapshot.question("tiny-scale"), snapshot)] == ["tiny-heads"]


def test_an_upload_is_checked_before_anything_is_added(banks, outline, settings):
    text, confirm, pending = banks.checked(str(outline))
    assert "3 道题" in text and confirm.visible and pending == str(outline)
    assert not (settings.home / "uploads").exists()


def test_a_bad_upload_cannot_be_confirmed(banks, tmp_path):
    bad = tmp_path / "bad.md"
    bad.write_bytes(b"\x00\x01\xff" * 100)
    text, confirm, pending = banks.checked(str(bad))
    assert "不能入库" in text and not confirm.visible and pending == ""


def test_an_upload_is_added_found_and_removed(banks, services, outline):
    told, *_ = banks.confirmed(str(outline), progress=lambda *_, **__: None)
    assert told.startswith("已入库")
    (row,) = [row for row in services.snapshot().banks if row["path"].endswith("uploads/others.md")]
    assert "LoRA 的秩" in banks.listed("", row["bank"], "", "", "", False, False)
    assert "替换" in banks.checked(str(outline))[0]
    assert row["bank"] in banks.removed(row["bank"])
    assert all(one["bank"] != row["bank"] for one in services.snapshot().banks)


def test_search_finds_words_inside_and_outside_the_title(banks):
    assert 'data-id="tiny-lora"' in banks.listed("LoRA 为什么省显存", "", "", "", "", False, False)
    assert 'data-id="tiny-lora"' not in banks.listed("LoRA", "", "", "choice", "", False, False)


def test_an_uploaded_name_stays_inside_the_data_folder(settings):
    for name in ("../../etc/passwd", "..", "a/b.md", ".hidden.md", "题 库.md"):
        assert upload_path(settings, name).parent == (settings.home / "uploads").resolve()


def test_errors_for_the_user_are_told_and_bugs_are_not_hidden():
    def fails(error):
        raise error

    with pytest.raises(gr.Error, match="no index"):
        telling(ZH)(fails)(IndexFault("no index"))
    with pytest.raises(ZeroDivisionError):
        telling(ZH)(fails)(ZeroDivisionError())


def test_the_timer_runs_until_the_reply_is_graded():
    assert "data-since" in timer(100.0, ZH) and "data-since" not in timer(100.0, ZH, ended=165.0)
    assert "1:05" in timer(100.0, ZH, ended=165.0)


def test_the_report_card_is_shown_when_there_is_one(services, settings):
    assert read_card(settings) == {} and card_line(settings, ZH) == ""
    assert "还没有成绩单" in about_html(services, ZH, "/en")
    entry = {"ours": {"n": 5, "qwk": 0.61, "r": 0.66, "rmse": 0.2}, "overlap": {"r": 0.4}}
    assert "0.61" in card_html({"public": {"ads_zh": entry}}, ZH)


def ask(guard_host, *, method="GET", path="/", query="", host="127.0.0.1:7860", origin=None, cookie=None):
    sent = []

    async def inner(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(message):
        sent.append(message)

    headers = [(b"host", host.encode())]
    headers += [(b"origin", origin.encode())] if origin else []
    headers += [(b"cookie", cookie.encode())] if cookie else []
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
    asyncio.run(Guard(inner, guard_host, homes("zh"))(scope, None, send))
    return sent[0]["status"], {key.decode(): value.decode() for key, value in sent[0]["headers"]}


def test_other_pages_and_forged_hosts_are_refused():
    assert ask("127.0.0.1")[0] == 200
    assert ask("127.0.0.1", origin="http://127.0.0.1:7860", method="POST")[0] == 200
    assert ask("127.0.0.1", origin="http://evil.example", method="POST")[0] == 403
    assert ask("127.0.0.1", origin="null", method="POST")[0] == 403
    assert ask("127.0.0.1", host="evil.example")[0] == 403
    assert ask("0.0.0.0", host="tutor.example")[0] == 200


def test_the_page_may_not_load_anything_from_outside():
    policy = ask("127.0.0.1")[1]["content-security-policy"]
    assert "default-src 'self'" in policy and "http" not in policy


def test_the_language_switch_redirects():
    assert ask("127.0.0.1", query="lang=en")[1]["location"] == "/en"
    assert ask("127.0.0.1", path="/en", query="lang=zh")[1]["location"] == "/"
    assert ask("127.0.0.1", path="/en", query="lang=en")[0] == 200
    assert ask("127.0.0.1", query="lang=//evil.example")[0] == 200


def test_browsers_get_a_cookie_of_their_own_only_behind_a_public_address():
    assert "set-cookie" not in ask("127.0.0.1")[1]
    first, second = (ask("0.0.0.0", host="x")[1]["set-cookie"] for _ in range(2))
    assert first != second and "HttpOnly" in first and "SameSite=Strict" in first
    assert "set-cookie" not in ask("0.0.0.0", host="x", cookie="tutor_learner=abc")[1]


def test_a_wrong_link_is_undone_on_the_page(banks, services, settings, embeddings, tmp_path):
    twin = tmp_path / "twin.md"
    twin.write_text(f"# 我的题库\n\n- {services.snapshot().question('tiny-scale').text}\n- 学习率预热有什么用？\n", "utf-8")
    add(settings, embeddings, [twin])
    linked = next(iter(services.snapshot().links))
    *_, shown, offered, _, _ = banks.shown(SimpleNamespace(id=linked))
    assert offered.visible
    told, item, button = banks.unlinked(linked)
    assert told == ZH("unlinked") and not button.visible
    assert ZH("no_reference_long") in item
    with pytest.raises(TutorError, match="no link"):
        banks.unlinked(linked)


def test_after_a_stop_nothing_is_painted_over_it(services):
    chat = laid_out(Chat, services, ZH)
    page = SimpleNamespace(session_hash="page")
    views = chat._until_halted(((f"view {i}", i) for i in range(3)), page)
    assert next(views) == ("view 0", 0)
    chat.halt(SimpleNamespace(session_hash="another page"))
    assert next(views) == ("view 1", 1)
    chat.halt(page)
    assert next(views) == (gr.skip(), gr.skip())
    assert list(views) == [] and not chat.halts
