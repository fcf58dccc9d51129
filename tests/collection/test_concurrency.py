"""Sixteen read while one writes: nobody stumbles, and every answer is of one commit."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from diptych.collection import Collection, Entry
from diptych.kinds import cosine

READERS, ROUNDS = 16, 20


def test_sixteen_readers_see_whole_commits_while_one_writes(tmp_path: Path) -> None:
    """Each commit gives every item the number of its round, and there is one more of them."""
    rows = np.random.default_rng(0).normal(size=(ROUNDS + 10, 8)).astype(np.float32)
    seen: list[tuple[set[object], int, int]] = []
    failed: list[Exception] = []
    is_done, has_begun = threading.Event(), threading.Barrier(READERS + 1)

    def read() -> None:
        try:
            with Collection.open(tmp_path / "c") as reader:
                is_last, is_first = False, True
                while not is_last:
                    is_last = is_done.is_set()
                    answer = reader.search(rows[0], k=100, where="has(round)", fields=True)
                    found = [hit.metadata["round"] for hit in answer.results]
                    seen.append((set(found), len(found), answer.total))
                    if is_first:
                        has_begun.wait(60)
                    is_first = False
        except Exception as error:
            failed.append(error)
            has_begun.abort()

    with Collection.open(tmp_path / "c", space=cosine, width=8, write=True) as writer:

        def put(round: int) -> None:
            writer.put(Entry(f"{n}", rows[n], metadata={"round": round}) for n in range(10 + round))

        put(0)
        threads = [threading.Thread(target=read) for _ in range(READERS)]
        for thread in threads:
            thread.start()
        has_begun.wait(60)
        for round in range(1, ROUNDS):
            put(round)
        is_done.set()
        for thread in threads:
            thread.join()
        assert not failed, failed
        for rounds, n, total in seen:
            assert len(rounds) == 1 and n == total == 10 + next(iter(rounds)), (rounds, n, total)
        assert {round for rounds, _, _ in seen for round in rounds} >= {0, ROUNDS - 1} and writer.verify() == []
