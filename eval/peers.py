"""Our retrieval beside that of plain chains: the same cases, the same bank (the shipped corpus), the same embedding model.

A peer gets every question with its aliases and its reference as one document and does with it what it does by default:
a LangChain chain cuts it into pieces of 500 characters that overlap by 50 and keeps them in Chroma; LlamaIndex cuts it into
sentences up to 1,024 tokens and keeps them in its own vector store. Both search by meaning alone. A ranking is the list of
the questions that the pieces come from, best first, so a peer is not charged for two pieces of the same question. The
packages are an optional extra: `pip install "interview-tutor[peers]"`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.embeddings import Embeddings

from eval.bench import DEPTH, Bench, RememberedEmbeddings, subsets
from eval.cases import Search, load_searches
from eval.metrics import first_hit, ranking
from eval.results import save
from ingest.vectors import VectorCache
from tutor.assembly import open_library
from tutor.errors import TutorError
from tutor.records import Question
from tutor.retrieval import Filters
from tutor.settings import Settings

_PIECES = 40
"""Pieces asked of a peer, so that enough different questions are among them."""
_CHAIN = 4
"""Pieces that a plain chain hands to the model."""
Ranker = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class Document:
    """What a peer is given of a question."""

    id: str
    text: str


class CachedEmbeddings(Embeddings):
    """Pieces of peers are embedded once and kept, as the texts of the index are."""

    def __init__(self, embeddings: RememberedEmbeddings, cache: VectorCache) -> None:
        self._embeddings = embeddings
        self._cache = cache

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of pieces."""
        rows: list[list[float]] = self._cache.embed(texts, self._embeddings.embed_documents, _show).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        return self._embeddings.embed_query(text)


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Measure and print."""
    argparse.ArgumentParser(prog="tutor eval peers").parse_args(list(arguments))
    library = open_library(settings)
    snapshot = library.snapshot()
    searches = load_searches()
    asked = [query for case in searches for query in (case.q, snapshot.lexical.correct(case.q))]
    embeddings = RememberedEmbeddings(library.embeddings, asked)
    banks = tuple(bank["bank"] for bank in snapshot.banks if bank["format"] == "corpus")
    shipped = [question for question in snapshot.questions() if question.bank in banks]
    documents = [Document(question.id, document_text(question)) for question in shipped]
    cached = CachedEmbeddings(embeddings, VectorCache(settings.home / "cache" / "peers", library.embeddings.identity))
    bench = Bench(snapshot, embeddings, Filters(banks=banks))
    rankers: dict[str, Ranker] = {
        "ours": bench.ours,
        "LangChain chain": _langchain(documents, cached),
        "LlamaIndex": _llama_index(documents, cached),
    }
    numbers: dict[str, Any] = {"questions": len(documents), "search": _measure(bench, rankers, searches)}
    print(f"written to {save('peers', numbers)}")
    library.close()
    return 0


def document_text(question: Question) -> str:
    """All of a question that our own index has of it."""
    options = [f"{option.label}. {option.text}" for option in question.options]
    return "\n".join([question.text, "；".join(question.aliases), *options, question.reference]).strip()


def _measure(bench: Bench, rankers: dict[str, Ranker], searches: Sequence[Search]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    chosen = {name: cases for name, cases in subsets(searches).items() if name.startswith(("paraphrases", "exact"))}
    print(f"{'':44}{'n':>5}{'recall@1':>10}{'recall@5':>10}{'MRR':>8}")
    for system, ranker in rankers.items():
        places = {case.q: first_hit(ranker(case.q)[:DEPTH], bench.accepted(case.gold)) for case in searches}
        for kind, cases in chosen.items():
            row = ranking([places[case.q] for case in cases])
            rows.setdefault(kind, {})[system] = row
            print(f"{kind + ': ' + system:44}{row['n']:>5}{row['recall@1']:>10.3f}{row['recall@5']:>10.3f}{row['mrr']:>8.3f}")
    return rows


def _langchain(documents: Sequence[Document], embeddings: Embeddings) -> Ranker:
    try:
        from langchain_chroma import Chroma
        from langchain_text_splitters import RecursiveCharacterTextSplitter
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    splitter = RecursiveCharacterTextSplitter(chunk_size=500, chunk_overlap=50)
    pieces = splitter.create_documents([one.text for one in documents], [{"id": one.id} for one in documents])
    store = Chroma(embedding_function=embeddings, collection_metadata={"hnsw:space": "cosine"})
    for start in range(0, len(pieces), 1000):
        store.add_documents(pieces[start : start + 1000])
    return lambda query: _distinct(piece.metadata["id"] for piece in store.similarity_search(query, k=_PIECES))


def _llama_index(documents: Sequence[Document], embeddings: Embeddings) -> Ranker:
    try:
        from llama_index.core import Document as Page
        from llama_index.core import VectorStoreIndex
        from llama_index.core.embeddings import BaseEmbedding
        from llama_index.core.node_parser import SentenceSplitter
    except ModuleNotFoundError as error:
        raise _missing(error) from error

    class Adapter(BaseEmbedding):  # type: ignore[misc]
        def _get_query_embedding(self, query: str) -> list[float]:
            return embeddings.embed_query(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return embeddings.embed_query(query)

        def _get_text_embedding(self, text: str) -> list[float]:
            return embeddings.embed_documents([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return embeddings.embed_documents(texts)

    pages = [Page(text=one.text, metadata={"id": one.id}, excluded_embed_metadata_keys=["id"]) for one in documents]
    nodes = SentenceSplitter().get_nodes_from_documents(pages)
    index = VectorStoreIndex(nodes, embed_model=Adapter(embed_batch_size=64))
    retriever = index.as_retriever(similarity_top_k=_PIECES)
    return lambda query: _distinct(found.node.metadata["id"] for found in retriever.retrieve(query))


def _distinct(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(ids))


def _missing(error: ModuleNotFoundError) -> TutorError:
    return TutorError(f'{error.name} is not installed; run `pip install "interview-tutor[peers]"`')


def _show(done: int, total: int) -> None:
    if total:
        print(f"\rembedding pieces: {done} of {total}", end="" if done < total else "\n", file=sys.stderr, flush=True)
