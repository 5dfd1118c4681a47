"""Settings: environment over file over defaults; a bad value is named with what is allowed."""

from pathlib import Path

import pytest

from tutor.errors import SettingsError
from tutor.settings import load


def test_environment_wins_over_the_file(tmp_path):
    (tmp_path / "tutor.toml").write_text('language = "en"\nport = 9000\n', "utf-8")
    settings = load({"TUTOR_HOME": str(tmp_path), "TUTOR_PORT": "9001"})
    assert settings.language == "en" and settings.port == 9001 and settings.home == tmp_path


def test_usual_variables_keep_their_meaning(tmp_path):
    settings = load(
        {
            "TUTOR_HOME": str(tmp_path),
            "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
            "OPENAI_API_KEY": "k",
            "GRADIO_SERVER_NAME": "0.0.0.0",
            "GRADIO_SERVER_PORT": "8000",
        }
    )
    assert (settings.base_url, settings.api_key, settings.host, settings.port) == (
        "http://127.0.0.1:1/v1",
        "k",
        "0.0.0.0",
        8000,
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TUTOR_PORT", "many", "whole number"),
        ("TUTOR_PORT", "0", "between"),
        ("TUTOR_ENGINE", "gpt", "one of"),
        ("TUTOR_LANGUAGE", "fr", "one of"),
        ("TUTOR_ENGINE", "openai", "base_url"),
        ("TUTOR_CONTEXT", "10", "between"),
    ],
)
def test_a_bad_value_is_named(tmp_path, name, value, said):
    with pytest.raises(SettingsError, match=said):
        load({"TUTOR_HOME": str(tmp_path), name: value})


def test_an_unknown_setting_in_the_file_is_named(tmp_path):
    (tmp_path / "tutor.toml").write_text("colour = 1\n", "utf-8")
    with pytest.raises(SettingsError, match="colour"):
        load({"TUTOR_HOME": str(tmp_path)})


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "tutor.toml").write_text("port = = 1", "utf-8")
    with pytest.raises(SettingsError, match=r"tutor\.toml"):
        load({"TUTOR_HOME": str(tmp_path)})


def test_weights_are_shared_by_all_homes(tmp_path):
    assert load({"TUTOR_HOME": str(tmp_path / "a")}).models == load({"TUTOR_HOME": str(tmp_path / "b")}).models
    assert load({"TUTOR_HOME": str(tmp_path)}).index == Path(tmp_path) / "index"
