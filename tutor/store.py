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
_EXACT = 20_000
"""Up to this many vectors every one is compared: a millisecond or two, and nothing is ever missed. The graph of Chroma,
however it is set, now and then loses one of many texts that differ in a single word."""
# Large, because banks hold many questions that differ in one word: with 32 neighbours and ef 400 the graph lost 70 of
# 600 such texts.
_GRAPH = CreateHNSWConfiguration(space="cosine", ef_construction=1000, ef_search=1000, max_neighbors=64)
_NO_GRAPH = CreateHNSWConfiguration(space="cosine", ef_construction=8, ef_search=8, max_neighbors=4)
"""For a store whose vectors are all compared: Chroma builds a graph in any case, so let it be a cheap one."""


class VectorStore:
    """An open store. Close it when a newer index replaces it."""

    def __init__(self, folder: Path, *, create_for: int | None = None) -> None:
        """Open the store in `folder`, or create it for so many vectors.

        :raises IndexFault: there is no readable store.
        """
        self._client: Any = chromadb.PersistentClient(  # declared as ClientAPI, which lacks close()
            path=str(folder), settings=ChromaSettings(anonymized_telemetry=False, allow_reset=False)
        )
        self._held: tuple[list[str], np.ndarray, np.ndarray] | None = None  # for exact search, read at the first one
        if create_for is not None:
            graph = _GRAPH if create_for > _EXACT else _NO_GRAPH
            self._chunks = self._client.create_collection(
                _COLLECTION, embedding_function=None, configuration=CreateCollectionConfiguration(hnsw=graph)
            )
            return
        try:
            self._chunks = self._client.get_collection(_COLLECTION, embedding_function=None)
        except (ValueError, chromadb.errors.ChromaError) as error:
            raise IndexFault(f"{folder}: the vector store is damaged ({error}); run `tutor index --rebuild`") from error

    def add(self, chunks: Sequence[Chunk], vectors: np.ndarray) -> None:
        """Write chunks with their vectors (len(chunks) x DIMENSION). :raises IndexFault: the disk is full or failing."""
        self._held = None
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
        size = len(self._held[0]) if self._held else self.count()
        if size == 0:
            return []
        if size <= _EXACT:
            return self._search_exactly(vector, k, banks)
        only: Any = {"bank": {"$in": [*banks]}} if banks else None
        asked: Any = [[float(x) for x in vector]]  # Chroma's declared types leave out plain lists of lists
        found = self._chunks.query(query_embeddings=asked, n_results=min(k, size), where=only, include=["distances"])
        distances = found["distances"] or [[]]
        return [(i, 1.0 - float(d)) for i, d in zip(found["ids"][0], distances[0], strict=True)]

    def _search_exactly(self, vector: Sequence[float], k: int, banks: Sequence[str] | None) -> list[tuple[str, float]]:
        if self._held is None:
            found = self._chunks.get(include=["embeddings", "metadatas"])
            owners = [str(row["bank"]) for row in found["metadatas"] or []]
            self._held = (found["ids"], np.asarray(found["embeddings"], dtype=np.float32), np.asarray(owners))
        ids, matrix, owners_of = self._held
        scores = matrix @ np.asarray(vector, dtype=np.float32)
        allowed = np.flatnonzero(np.isin(owners_of, list(banks))) if banks else np.arange(len(ids))
        best = allowed[np.argsort(-scores[allowed], kind="stable")[:k]]
        return [(ids[i], float(scores[i])) for i in best]

    def similarities(self, vector: Sequence[float], ids: Sequence[str]) -> dict[str, float]:
        """Cosine similarity of `vector` to each of the chunks `ids`."""
        if not ids:
            return {}
        if self._held is not None:  # already in memory
            held, matrix, _ = self._held
            place = {chunk_id: i for i, chunk_id in enumerate(held)}
            rows = matrix[[place[chunk_id] for chunk_id in ids]]
            return dict(zip(ids, (rows @ np.asarray(vector, dtype=np.float32)).tolist(), strict=True))
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
