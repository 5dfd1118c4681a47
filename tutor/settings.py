"""Settings: environment `TUTOR_*`, then `tutor.toml` in the data folder, then the defaults below.

Built once at the edge (`load`) and passed down. Only this module reads the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import platformdirs

from tutor.errors import SettingsError

_APP = "interview-tutor"
_ENGINES = ("llamacpp", "openai", "transformers", "none")
_LANGUAGES = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Names are those of `tutor.toml` and, in capitals after `TUTOR_`, of the environment.

    :ivar home: the folder of all user data (banks, index, history).
    :ivar models: the folder of the model weights; shared by all homes.
    :ivar corpus: the folder of the banks that ship with the tutor; empty path: none.
    :ivar engine: llamacpp (embedded), openai (any compatible server), transformers, none (no prose at all).
    :ivar model: name of the language model: of the weights manifest, of the server, or a local folder.
    :ivar context: tokens of the model's context. :ivar max_tokens: longest answer in tokens.
    :ivar cache_mib: memory for cached prompts. :ivar threads: 0 means one a core.
    :ivar dtype: auto, bfloat16 or float32 for the embedding model and the point judge.
    :ivar language: zh or en, the language of the interface and of feedback.
    :ivar unsupported: mark or remove: what becomes of the sentences of an answer that no passage supports.
    :ivar weights_from: a folder with model files, asked before the hub and the package index; empty: none.
    """

    home: Path
    models: Path
    corpus: Path
    engine: str = "llamacpp"
    model: str = "qwen2.5-coder-1.5b"
    base_url: str = ""
    api_key: str = ""
    context: int = 4096
    max_tokens: int = 512
    cache_mib: int = 1024
    threads: int = 0
    dtype: str = "auto"
    language: str = "zh"
    unsupported: str = "mark"
    host: str = "127.0.0.1"
    port: int = 7860
    max_upload_mib: int = 20
    learner: str = "me"
    weights_from: str = ""

    @property
    def index(self) -> Path:
        """Folder of the index: one folder a version, with its banks, and the pointer to the current one."""
        return self.home / "index"

    @property
    def database(self) -> Path:
        """The SQLite file of conversations and attempts."""
        return self.home / "history.db"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    :param environ: the environment; the process's own when None.
    :raises SettingsError: a value has the wrong type or range, or tutor.toml names an unknown setting.
    """
    env = os.environ if environ is None else environ
    data = Path(platformdirs.user_data_dir(_APP, appauthor=False))
    home = Path(env.get("TUTOR_HOME") or data).expanduser()
    defaults = Settings(home=home, models=data / "models", corpus=Path(__file__).resolve().parent.parent / "corpus")
    values: dict[str, Any] = {}
    config = home / "tutor.toml"
    if config.is_file():
        try:
            values.update(tomllib.loads(config.read_text("utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{config}: not valid TOML ({error}); correct or remove it") from error
    for name, variable in (
        ("base_url", "OPENAI_BASE_URL"),
        ("api_key", "OPENAI_API_KEY"),
        ("host", "GRADIO_SERVER_NAME"),
        ("port", "GRADIO_SERVER_PORT"),
    ):
        if env.get(variable):
            values[name] = env[variable]
    names = {f.name for f in fields(Settings)}
    values.update({key: env[f"TUTOR_{key.upper()}"] for key in names if env.get(f"TUTOR_{key.upper()}")})
    values.pop("home", None)
    unknown = sorted(set(values) - names)
    if unknown:
        raise SettingsError(f"{config}: unknown setting {', '.join(unknown)}; known are {', '.join(sorted(names))}")
    settings = replace(defaults, **{name: _convert(name, value) for name, value in values.items()})
    _validate(settings)
    return settings


def _convert(name: str, value: Any) -> Any:  # noqa: ANN401 (values of TOML and of the environment)
    wanted = get_type_hints(Settings)[name]
    if wanted is Path:
        return Path(str(value)).expanduser()
    if wanted is int:
        try:
            return int(value)
        except (TypeError, ValueError):
            raise SettingsError(f"setting {name} must be a whole number, not {value!r}") from None
    return str(value)


def _validate(settings: Settings) -> None:
    for name, allowed in (
        ("engine", _ENGINES),
        ("language", _LANGUAGES),
        ("dtype", ("auto", "bfloat16", "float32")),
        ("unsupported", ("mark", "remove")),
    ):
        if getattr(settings, name) not in allowed:
            raise SettingsError(f"setting {name} must be one of {', '.join(allowed)}, not {getattr(settings, name)!r}")
    for name, low, high in (
        ("context", 1024, 131072),
        ("max_tokens", 16, 8192),
        ("cache_mib", 0, 65536),
        ("threads", 0, 512),
        ("port", 1, 65535),
        ("max_upload_mib", 1, 1024),
    ):
        if not low <= getattr(settings, name) <= high:
            raise SettingsError(f"setting {name} must be between {low} and {high}, not {getattr(settings, name)}")
    if settings.engine == "openai" and not settings.base_url:
        raise SettingsError("engine openai needs base_url (or OPENAI_BASE_URL): the address of the server")
