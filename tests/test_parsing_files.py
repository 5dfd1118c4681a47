"""Files that are no banks are refused with a reason; odd encodings are read where that is safe."""

import io
import zipfile

import openpyxl
import pytest

from ingest.parsing import parse_file
from ingest.tables import MAX_RATIO
from tutor.errors import BankError

OUTLINE = "# 大模型面试题\n\n- 什么是量化？它有哪些常见的方法？\n- 什么是知识蒸馏？教师模型和学生模型怎样配合？\n- 什么是剪枝？\n"


def refusal(path, **options):
    with pytest.raises(BankError) as caught:
        parse_file(path, **options)
    return "; ".join(problem.what for problem in caught.value.problems)


def write(tmp_path, data, name="x.md"):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return path


def workbook(*sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "what"),
    [
        (b"", "x.md", "empty"),
        (b"\xef\xbb\xbf \n\t\n", "x.md", "empty"),
        (OUTLINE.encode("utf-16"), "x.md", "UTF-16"),
        ("plain questions, what?".encode("utf-16-le"), "x.md", "UTF-16"),
        (b"what?\0\x01\x02" * 9, "x.md", "binary"),
        (b"%PDF-1.7 what", "x.md", "a PDF"),
        (b"\xd0\xcf\x11\xe0 what", "x.md", "an old Office file"),
        (OUTLINE.encode().replace("量".encode(), b"\xe9\x87", 1), "x.md", "not valid UTF-8"),
        (b"nothing to learn here\n", "x.md", "no question found"),
        (b"# title\n\nA paragraph of prose.\n", "x.md", "no question found"),
        (b"no workbook", "x.xlsx", "no ZIP archive"),
        (b"[1, 2]", "x.json", "expected a JSON object"),
    ],
)
def test_what_is_no_bank_is_refused_with_a_reason(tmp_path, data, name, what):
    assert what in refusal(write(tmp_path, data, name))


def test_missing_files_folders_and_unknown_formats_are_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.md")
    assert "folder" in refusal(tmp_path)
    assert "unknown format 'word'" in refusal(write(tmp_path, OUTLINE), format="word")


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.md"
    with path.open("wb") as file:
        file.truncate(21 * 1024 * 1024)
    assert "larger than 20 MB" in refusal(path)


def test_the_line_of_broken_bytes_is_named(tmp_path):
    path = write(tmp_path, OUTLINE.encode().replace("剪".encode(), b"\xff", 1))
    with pytest.raises(BankError) as caught:
        parse_file(path)
    assert caught.value.problems[0].line == 5


def test_gb18030_is_read_and_noted(tmp_path):
    parsed = parse_file(write(tmp_path, OUTLINE.encode("gb18030")))
    assert parsed.bank.questions[2].text == "什么是剪枝？"
    assert parsed.problems[0].line == 0 and "gb18030" in parsed.problems[0].what


@pytest.mark.parametrize("text", ["\ufeff" + OUTLINE, OUTLINE.replace("\n", "\r\n"), OUTLINE.replace("\n", "\r")])
def test_marks_and_line_ends_do_not_matter(tmp_path, text):
    parsed = parse_file(write(tmp_path, text))
    assert [q.line for q in parsed.bank.questions] == [3, 4, 5] and parsed.bank.title == "大模型面试题"


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (2 * MAX_RATIO * 10_000))
    assert "ZIP bomb" in refusal(write(tmp_path, out.getvalue(), "x.xlsx"))


def test_another_zip_is_no_workbook(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "what?")
    assert "not an XLSX workbook" in refusal(write(tmp_path, out.getvalue(), "x.xlsx"))
    assert "not an XLSX workbook" in refusal(write(tmp_path, out.getvalue(), "x.md"))


def test_a_workbook_with_broken_xml_is_refused(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<broken")
        archive.writestr("[Content_Types].xml", "<broken")
    assert "not a workbook that can be read" in refusal(write(tmp_path, out.getvalue(), "x.xlsx"))


def test_the_sheets_of_a_workbook_are_read(tmp_path):
    data = workbook(
        (
            "量化",
            [
                ["题目", "答案", "难度"],
                ["什么是量化？", "用低位宽表示权重。", 4],
                [None, None, None],
                ["剪枝呢？", None, 3.0],
            ],
        ),
        ("空", []),
        ("蒸馏", [["question", "A", "B", "key"], ["学生学什么？", "硬标签", "软标签", "B"]]),
    )
    parsed = parse_file(write(tmp_path, data, "x.xlsx"))
    first, second, third = parsed.bank.questions
    assert (first.reference, first.difficulty, first.line, first.trail) == ("用低位宽表示权重。", 4, 2, ("量化",))
    assert (second.line, second.difficulty) == (4, 3)
    assert (third.kind, third.key, third.trail) == ("choice", "B", ("蒸馏",))


def test_the_faults_of_all_sheets_are_reported(tmp_path):
    data = workbook(("甲", [["题目", "难度"], ["什么？", 77], [None, 3]]), ("乙", [["颜色"], ["红"]]))
    found = refusal(write(tmp_path, data, "x.xlsx"))
    assert (
        "difficulty must be" in found and "the question is missing" in found and "no column for the question" in found
    )


@pytest.mark.parametrize(("stem", "name"), [("LLM 面试 2024", "llm-2024"), ("My_Bank.v2", "my-bank-v2")])
def test_a_bank_is_named_after_its_file(tmp_path, stem, name):
    assert parse_file(write(tmp_path, OUTLINE, f"{stem}.md")).bank.name == name


def test_a_name_without_ascii_still_gives_a_stable_name(tmp_path):
    name = parse_file(write(tmp_path, OUTLINE, "大模型.md")).bank.name
    assert name.startswith("bank-") and parse_file(write(tmp_path, OUTLINE, "大模型.md")).bank.name == name


def test_a_doubtful_format_says_so(tmp_path):
    text = "prose\n\nmore prose here\n\nand more\n\nstill prose\n\nagain\n\n- what?\n"
    parsed = parse_file(write(tmp_path, text))
    assert parsed.confidence < 0.5 and "not sure" in parsed.problems[0].what
