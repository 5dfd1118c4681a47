"""Vectors that were made before: a text is embedded once, whatever happens to the index.

Segments of at most `_SEGMENT` vectors are written as safetensors files, whole or not at all, while a long build
runs, so that a killed build goes on where it stopped. `compact` keeps only what the index uses: removal leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

_SEGMENT = 64


class VectorCache:
    """Vectors by the hash of their text, for one embedding identity.

    :param folder: where caches live; each identity has a folder of its own inside.
    :param identity: what makes vectors comparable (`GemmaEmbeddings.identity`).
    """

    def __init__(self, folder: Path, identity: Mapping[str, str]) -> None:
        digest = hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:16]
        self._folder = folder / digest
        self._vectors: dict[str, np.ndarray] = {}
        for segment in sorted(self._folder.glob("*.safetensors")):
            try:
                self._vectors.update(load_file(segment))
            except SafetensorError:
                segment.unlink()  # a torn file of a crashed machine; its texts are embedded again

    def embed(
        self,
        texts: Sequence[str],
        embed: Callable[[list[str]], list[list[float]]],
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> np.ndarray:
        """Vectors of `texts` (len(texts) x dimension); `embed` is called for those never seen.

        :param progress: called with (embedded so far, to embed in total).
        """
        keys = [_key(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
        todo = sorted(missing, key=lambda key: len(missing[key]))  # like lengths share a batch: less padding
        progress(0, len(todo))
        for start in range(0, len(todo), _SEGMENT):
            part = todo[start : start + _SEGMENT]
            rows = np.asarray(embed([missing[key] for key in part]), dtype=np.float32)
            self._save(dict(zip(part, rows, strict=True)))
            progress(start + len(part), len(todo))
        return np.stack([self._vectors[key] for key in keys]) if keys else np.zeros((0, 0), dtype=np.float32)

    def compact(self, texts: Iterable[str]) -> None:
        """Forget every vector that none of `texts` needs, and write the rest as one file."""
        keep = {_key(text) for text in texts}
        old = sorted(self._folder.glob("*.safetensors"))
        if len(old) == 1 and keep == set(self._vectors):
            return
        self._vectors = {key: vector for key, vector in self._vectors.items() if key in keep}
        kept = self._write(self._vectors) if self._vectors else None
        for segment in old:
            if segment != kept:
                segment.unlink(missing_ok=True)

    def _save(self, vectors: dict[str, np.ndarray]) -> None:
        self._write(vectors)
        self._vectors.update(vectors)

    def _write(self, vectors: dict[str, np.ndarray]) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256("".join(sorted(vectors)).encode()).hexdigest()[:16]
        part = self._folder / f".{name}.partial"
        save_file({key: np.ascontiguousarray(vector) for key, vector in vectors.items()}, part)
        segment = self._folder / f"{name}.safetensors"
        os.replace(part, segment)
        return segment


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
