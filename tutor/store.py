"""The vector store: the only file that knows Chroma.

Vectors are made elsewhere and passed in. A store is written once, by one process, into a folder of its own, and is
read-only afterwards: Chroma corrupts a folder that two processes write and hides new vectors from open readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from chromadb.api.collection_configuration import CreateCollectionConfiguration, CreateHNSWConfiguration
from chromadb.config import Settings as ChromaSettings

from tutor.errors import IndexFault
from tutor.records import Chunk

_COLLECTION = "chunks"
_WRITE_BATCH = 1000
# Large, because banks hold many questions that differ in one word: with 32 neighbours and ef 400 the graph lost 70 of
# 600 such texts, with these none; a search still takes 2 ms.
_HNSW = CreateHNSWConfiguration(space="cosine", ef_construction=1000, ef_search=1000, max_neighbors=64)


class VectorStore:
    """An open store. Close it when a newer index replaces it."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        """Open the store in `folder`, or create it.

        :raises IndexFault: there is no readable store.
        """
        self._client: Any = chromadb.PersistentClient(  # declared as ClientAPI, which lacks close()
           
            path=str(folder), settings=ChromaSettings(anonymized_telemetry=False, allow_reset=False)
        )
        if create:
            self._chunks = self._client.create_collection(
                _COLLECTION, embedding_function=None, configuration=CreateCollectionConfiguration(hnsw=_HNSW)
            )
            return
        try:
            self._chunks = self._client.get_collection(_COLLECTION, embedding_function=None)
        except (ValueError, chromadb.errors.ChromaError) as error:
            raise IndexFault(f"{folder}: the vector store is damaged ({error}); run `tutor index --rebuild`") from error

    def add(self, chunks: Sequence[Chunk], vectors: np.ndarray) -> None:
        """Write chunks with their vectors (len(chunks) x DIMENSION). :raises IndexFault: the disk is full or failing."""
        for start in range(0, len(chunks), _WRITE_BATCH):
            part = chunks[start : start + _WRITE_BATCH]
            try:
                self._chunks.add(
                    ids=[chunk.id for chunk in part],
                    embeddings=vectors[start : start + len(part)].astype(np.float32),
                    metadatas=[{"item": chunk.item_id, "bank": chunk.bank, "part": chunk.part} for chunk in part],
                )
            except chromadb.errors.ChromaError as error:  # a full disk surfaces here
                raise IndexFault(f"the vector store could not be written: {error}") from error

    def search(self, vector: Sequence[float], k: int, banks: Sequence[str] | None = None) -> list[tuple[str, float]]:
        """Return up to `k` pairs (chunk id, cosine similarity), best first, from `banks` or from all."""
        size = self.count()
        if size == 0:
            return []
        only: Any = {"bank": {"$in": [*banks]}} if banks else None
        asked: Any = [[float(x) for x in vector]]  # Chroma's declared types leave out plain lists of lists
        found = self._chunks.query(query_embeddings=asked, n_results=min(k, size), where=only, include=["distances"])
        distances = found["distances"] or [[]]
        return [(i, 1.0 - float(d)) for i, d in zip(found["ids"][0], distances[0], strict=True)]

    def similarities(self, vector: Sequence[float], ids: Sequence[str]) -> dict[str, float]:
        """Cosine similarity of `vector` to each of the chunks `ids`."""
        if not ids:
            return {}
        found = self._chunks.get(ids=list(ids), include=["embeddings"])
        matrix = np.asarray(found["embeddings"], dtype=np.float32)
        return dict(zip(found["ids"], (matrix @ np.asarray(vector, dtype=np.float32)).tolist(), strict=True))

    def vectors(self) -> tuple[list[str], np.ndarray]:
        """All chunk ids with their vectors, for exact search in tests and for self-checks."""
        found = self._chunks.get(include=["embeddings"])
        return found["ids"], np.asarray(found["embeddings"], dtype=np.float32).reshape(len(found["ids"]), -1)

    def count(self) -> int:
        """Number of chunks."""
        return int(self._chunks.count())

    def close(self) -> None:
        """Release the files."""
        self._client.close()
