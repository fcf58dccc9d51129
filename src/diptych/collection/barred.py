"""Files that were removed for ever: `add` leaves them out, and all others of their content."""

from __future__ import annotations

from collections.abc import Sequence

from diptych.collection.store import Store, full
from diptych.collection.survey import below, prefixes


def keep_out(store: Store, places: Sequence[tuple[str, str, int | None, int | None]]) -> None:
    """Remember files, inside a transaction: where each is kept, its digest, size and time."""
    store.put_rows("barred", places)


def bar(store: Store, ids: Sequence[int]) -> None:
    """Keep the contents of these items out of `add`, inside a transaction."""
    places = [(item.kept, item.digest or "", item.size, item.mtime_ns) for item in store.items(ids)]
    keep_out(store, [place for place in places if place[2] is not None])  # without a file it does not come back


def unbar(store: Store, keys: Sequence[str] | None) -> int:
    """Let files in again, with all others of their content, inside a transaction; None lets in all. How many.

    keys   of files, or of folders for all that lay in them
    """
    known = store.rows("SELECT path, digest FROM barred")
    kept = {store.kept_path(name) for key in keys or () for name in (key, full(key))}
    within = [start for key in keys or () for start in prefixes(store, full(key))]
    here = [(path, digest) for path, digest in known if keys is None or path in kept or below(path, within)]
    contents = {digest for _, digest in here if digest}
    gone = [path for path, digest in known if (path, digest) in here or digest in contents]
    store.change("DELETE FROM barred WHERE path = ?", [(path,) for path in gone])
    return len(gone)


def listed(store: Store) -> list[str]:
    """Where the files lie, or lay, that `add` leaves out because they were removed for ever."""
    return sorted(store.full_path(path) for (path,) in store.rows("SELECT path FROM barred"))
