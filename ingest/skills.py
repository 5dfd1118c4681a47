"""The list of skills (`skills.toml`): its keys, and the keys behind the names that other banks use."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tutor.errors import BankError, Problem

_SHIPPED = Path(__file__).resolve().parent.parent / "corpus" / "skills.toml"


def skills_file(bank: Path) -> Path:
    """Return the list that holds for a bank file: the one beside it, else the one that ships with the tutor."""
    beside = bank.parent / "skills.toml"
    return beside if beside.is_file() else _SHIPPED


def load_skills(bank: Path) -> frozenset[str]:
    """Return the keys of the skills that a bank file may name.

    :raises BankError: the list is missing or is not valid TOML.
    """
    return frozenset(_read(skills_file(bank)))


def skill_names(bank: Path) -> dict[str, str]:
    """Return the key of a skill for each name that it goes by: the key, its Chinese name, names in other banks.

    :raises BankError: the list is missing or is not valid TOML.
    """
    names: dict[str, str] = {}
    for key, entry in _read(skills_file(bank)).items():
        also = entry.get("also", []) if isinstance(entry, dict) else []
        zh = [entry["zh"]] if isinstance(entry, dict) and "zh" in entry else []
        names.update({str(name): key for name in (*zh, *also)})
        names[key] = key
    return names


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise BankError(str(path), [Problem(0, "the list of skills is missing; restore corpus/skills.toml")]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BankError(str(path), [Problem(0, f"the list of skills is not valid TOML ({error})")]) from error
