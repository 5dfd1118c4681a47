"""Text to vectors with EmbeddingGemma, behind LangChain's `Embeddings`. The only file that knows sentence-transformers.

Queries and documents get the model's own prompts, so the two are not interchangeable. Vectors are L2-normalised
float32 of `DIMENSION` numbers; their dot product is the cosine similarity.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from tutor import weights

MODEL = "embeddinggemma-300m"
DIMENSION = 768
_BATCH = 8  # on two cores larger batches are slower: they pad more


class GemmaEmbeddings(Embeddings):
    """EmbeddingGemma-300M. Thread-safe; the model is loaded on first use.

    :param models: the folder of the model weights.
    :param dtype: auto, bfloat16 or float32; see `resolve_dtype`.
    """

    def __init__(self, models: Path, dtype: str = "auto") -> None:
        self._models = models
        self._lock = threading.Lock()
        self._model: Any = None
        self.dtype = resolve_dtype(dtype)

    @property
    def identity(self) -> dict[str, str]:
        """What makes two vectors comparable: model file hash, dtype and prompts. Recorded in the index manifest."""
        return {
            "model": MODEL,
            "sha256": _pinned_hash(),
            "dtype": self.dtype,
            "query_prompt": "task: search result | query: ",
            "document_prompt": "title: none | text: ",
        }

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed bank text. :raises WeightsError: the model is not there."""
        return self._encode(texts, "document")

    def embed_query(self, text: str) -> list[float]:
        """Embed what a learner asks. :raises WeightsError: the model is not there."""
        return self._encode([text], "query")[0]

    def embed_queries(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed several queries at once."""
        return self._encode(list(texts), "query")

    def _encode(self, texts: list[str], prompt: str) -> list[list[float]]:
        with self._lock:
            model = self._load()
            vectors = model.encode(
                texts, prompt_name=prompt, batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
            )
        return [[float(x) for x in row] for row in vectors]

    def _load(self) -> Any:  # noqa: ANN401 (sentence-transformers is untyped)
        if self._model is None:
            folder = weights.path(self._models, MODEL)
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(
                str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": self.dtype}
            )
        return self._model


@cache
def _pinned_hash() -> str:
    return next(file.sha256 for file in weights.load_manifest()[MODEL].files if file.path == "model.safetensors")


def resolve_dtype(wanted: str, cpu_flags: Callable[[], frozenset[str]] | None = None) -> str:
    """Choose the number format of the embedding model.

    bfloat16 is 2.5 times as fast as float32 where the CPU computes in it and 4 times as slow where it does not;
    float16 gives NaN in this model.

    :param wanted: auto, bfloat16 or float32.
    :param cpu_flags: reads the CPU's feature flags; injected by tests.
    """
    if wanted != "auto":
        return wanted
    flags = (cpu_flags or _cpu_flags)()
    return "bfloat16" if flags & {"avx512_bf16", "amx_bf16"} else "float32"


def _cpu_flags() -> frozenset[str]:
    info = Path("/proc/cpuinfo")
    if sys.platform != "linux" or not info.is_file():
        return frozenset()
    for line in info.read_text("utf-8", errors="replace").splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
