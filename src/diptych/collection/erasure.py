"""Items taken out so that no byte of them is left in a file of the collection."""

from __future__ import annotations

from collections.abc import Sequence

from diptych.collection import waiting
from diptych.collection.store import Store
from diptych.kinds import BadInput, batches
from diptych.sources.cache import RowCache


def erase(store: Store, ids: Sequence[int]) -> int:
    """Remove items with all that is known of their content, unless another item has it; how many there were.

    Raises BadInput where another program reads an old state of the collection for so long that it stays on the disk.
    """
    items = [item for some in batches(list(ids), 500) for item in store.items(some)]
    with store.transaction():
        store.delete([item.id for item in items])
        digests = {item.digest for item in items if item.digest}
        alone = sorted(digest for digest in digests if not _elsewhere(store, digest))
        waiting.drop(store, alone)
        store.change("DELETE FROM barred WHERE path = ? OR digest = ?", [(item.kept, item.digest) for item in items])
        store.merge_words()
    RowCache().forget([bytes.fromhex(digest) for digest in alone])
    if not store.empty_log():
        raise BadInput(
            f"{store.folder}: another program reads from it; end it, and erase once more, so that nothing stays"
        )
    return len(items)


def _elsewhere(store: Store, digest: str) -> bool:
    return bool(store.rows("SELECT 1 FROM items WHERE digest = ? LIMIT 1", (digest,)))
