"""Pictures that an older Diptych read: the next run over their folder reads them once more.

A newer version finds words, dates and shades that an older one did not, in files that nobody has touched. Their items
are listed in a table, and leave it when their file was read again, so that a run that was stopped goes on behind it.
The table is no step of the schema: an older Diptych, and whoever only searches, can do without it.
"""

from __future__ import annotations

from collections.abc import Iterable

from diptych.collection.store import Store

READERS = 2
"""Grows whenever something else is read from the same files."""

_FILED = "SELECT id FROM items WHERE size IS NOT NULL"  # others were given as rows


def begun(store: Store) -> bool:
    """Whether nothing is there that no run of this version has listed yet."""
    return int(store.meta("readers", "0")) >= READERS or not store.rows(f"{_FILED} LIMIT 1")


def mark(store: Store) -> None:
    """List all items, where they were read by an older version and are not listed yet."""
    if int(store.meta("readers", "0")) < READERS:
        with store.transaction():
            store.run("CREATE TABLE IF NOT EXISTS outdated (item INTEGER PRIMARY KEY)")
            store.run(f"INSERT OR IGNORE INTO outdated {_FILED}")
            store.set_meta("readers", str(READERS))


def ids(store: Store) -> set[int]:
    """The items that wait to be read again."""
    sql = f"SELECT item FROM outdated WHERE item IN ({_FILED})" if store.meta("readers", "") else _FILED
    return {id for (id,) in store.rows(sql)}


def done(store: Store, read: Iterable[int]) -> None:
    """Take items off the list, inside a transaction."""
    store.change("DELETE FROM outdated WHERE item = ?", [(id,) for id in read])
