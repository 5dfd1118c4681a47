"""What the frozen lower layers make of each training text: computed once, kept for all epochs, seeds and runs."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tutor.judge.network import Reader, Tokens


class StateCache:
    """States in bfloat16, one after another in a file; an index says where each text begins and how long it is.

    The folder is bound to one base model and one number of lower layers by `key`; with another key it starts anew.
    """

    def __init__(self, folder: Path, key: str, hidden: int) -> None:
        """Open or begin the files of `key` in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.hidden = hidden
        self._states, self._index_file = folder / f"{key}.bin", folder / f"{key}.json"
        self._index: dict[str, tuple[int, int]] = {}
        if self._index_file.is_file():
            self._index = {name: (at, n) for name, (at, n) in json.loads(self._index_file.read_text("utf-8")).items()}
        self._end = sum(n for _, n in self._index.values())
        self._states.touch()
        self._map: np.ndarray | None = None

    def fill(
        self, texts: Iterable[tuple[str, int]], tokens: Tokens, reader: Reader, minutes: float = 0.0, batch: int = 2048
    ) -> bool:
        """Read every (text, limit in tokens) that is not there yet, about `batch` tokens at a time.

        :param minutes: stop after so long; 0: never. :returns: whether all of them are there now.
        """
        wanted = [(name, text, limit) for text, limit in set(texts) if (name := _name(text, limit)) not in self._index]
        todo = sorted(((name, tokens.ids(text, limit)) for name, text, limit in wanted), key=lambda item: len(item[1]))
        if not todo:
            return True
        start, total, done = time.monotonic(), sum(len(ids) for _, ids in todo), 0
        shown = start
        with self._states.open("r+b") as file:
            file.truncate(self._end * self.hidden * 2)
            file.seek(0, 2)
            while todo and not (minutes and time.monotonic() - start > 60 * minutes):
                count = max(1, batch // len(todo[0][1]))
                while count > 1 and count * len(todo[min(count, len(todo)) - 1][1]) > batch:
                    count -= 1
                part, todo = todo[:count], todo[count:]
                for (name, ids), states in zip(part, reader.read([ids for _, ids in part]), strict=True):
                    file.write(states.to(torch.bfloat16).view(torch.int16).numpy().tobytes())
                    self._index[name] = (self._end, len(ids))
                    self._end += len(ids)
                    done += len(ids)
                if time.monotonic() - shown > 20:
                    shown = time.monotonic()
                    print(
                        f"  lower layers: {done}/{total} tokens, {done / (shown - start):.0f} tokens/s", file=sys.stderr
                    )
        self._index_file.write_text(json.dumps(self._index), "utf-8")
        self._map = None
        return not todo

    def length(self, text: str, limit: int) -> int:
        """Tokens of a text that was read."""
        return self._index[_name(text, limit)][1]

    def get(self, text: str, limit: int) -> Tensor:
        """States of a text that was read, (tokens, hidden), float32."""
        if self._map is None:
            self._map = np.memmap(self._states, dtype=np.int16, mode="r").reshape(-1, self.hidden)
        at, n = self._index[_name(text, limit)]
        return torch.from_numpy(np.array(self._map[at : at + n])).view(torch.bfloat16).float()


def _name(text: str, limit: int) -> str:
    return hashlib.sha256(f"{limit}\0{text}".encode()).hexdigest()[:24]
