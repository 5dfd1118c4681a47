"""Imports point one way, and each outside library is known to one place."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for package in ("tutor", "ingest", "eval") for path in (ROOT / package).rglob("*.py"))

LAYERS = [
    {"records", "errors", "aliases"},
    {"settings", "cleaning", "quantities", "lexical", "points"},
    {"fencing", "polarity", "orders"},
    {"weight_sources"},
    {"weight_wheels"},
    {"weights", "prompts", "citations", "numbers", "rules", "history", "feedback", "console", "exporting"},
    {"embedding", "store", "llm", "judge", "outside"},
    {"support"},
    {"library", "grading", "followups"},
    {"retrieval", "appeals"},
    {"answering"},
    {"restating"},
    {"assembly"},
    {"doctor", "ui"},
    {"commands", "bank_commands"},
    {"cli"},
    {"__main__", "__init__"},
]
OWNERS = {
    "chromadb": {"tutor/store.py"},
    "gradio": {"tutor/ui"},
    "sqlalchemy": {"tutor/history.py"},
    "xllamacpp": {"tutor/llm"},
    "langchain_openai": {"tutor/llm"},
    "sentence_transformers": {"tutor/embedding.py"},
    "jieba": {"tutor/lexical.py"},
    "bm25s": {"tutor/lexical.py"},
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer(module: str) -> int:
    matching = [i for i, names in enumerate(LAYERS) if module in names]
    assert matching, f"tutor/{module} has no layer; add it to LAYERS"
    return matching[0]


def violations(path: Path, names: set[str]) -> list[str]:
    relative = path.relative_to(ROOT)
    package, module = relative.parts[0], relative.parts[1].removesuffix(".py")
    edge = package == "tutor" and module in ("commands", "bank_commands", "ui", "doctor", "assembly", "cli")
    bad = []
    for name in names:
        parts = name.split(".")
        if parts[0] == "tests" or (parts[0] == "eval" and package in ("tutor", "ingest") and module != "commands"):
            bad.append(name)
        if package == "tutor" and parts[0] == "ingest" and not edge:
            bad.append(name)
        if package == "tutor" and parts[0] == "tutor" and len(parts) > 1 and parts[1] != "__version__":
            target = parts[1]
            exists = (ROOT / "tutor" / target).is_dir() or (ROOT / "tutor" / f"{target}.py").is_file()
            if exists and target != module and layer(target) >= layer(module):
                bad.append(name)
        if package in ("ingest", "eval") and parts[:2] == ["tutor", "ui"]:
            bad.append(name)
    return bad


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    assert violations(path, imports(path)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_library_is_known_to_one_place(path):
    relative = path.relative_to(ROOT).as_posix()
    for name in imports(path):
        owners = OWNERS.get(name.split(".")[0])
        assert owners is None or any(relative == owner or relative.startswith(owner + "/") for owner in owners), name


def test_a_planted_violation_is_caught():
    assert violations(ROOT / "tutor" / "retrieval.py", {"tutor.answering"})
    assert violations(ROOT / "tutor" / "records.py", {"tutor.errors"})
    assert violations(ROOT / "tutor" / "store.py", {"ingest.index"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_readable(path):
    assert len(path.read_text("utf-8").splitlines()) <= 300
