"""Which pictures have moved: the whole set of old items against the whole set of new files, by content alone.

Names prove nothing: a file may have taken the name of another that took the name of a third. So nothing is written
before every file that could be one of the old pictures has been read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Lost(NamedTuple):
    """An item whose file is gone, or does not look as it did.

    path, digest, size   where it was, the sha256 and the bytes of its content
    """

    path: str
    digest: str
    size: int


def moves(lost: Mapping[int, Lost], found: Mapping[str, str]) -> dict[int, str]:
    """The id of each lost item that was found -> the path where it is now, which may be its own.

    found   path -> sha256 of files that are new or do not look as they did

    An item goes to one file and a file to one item. Where several have the same content, those of one path belong
    together; then those whose file is gone are found before those whose file may have been edited; and those of one
    name, then those of one folder, belong together before others.
    """
    items, files = defaultdict(list), defaultdict(list)
    for id, item in sorted(lost.items(), key=lambda entry: (entry[1].path in found, entry[0])):
        items[item.digest].append(id)
    for path, digest in sorted(found.items()):
        if digest in items:
            files[digest].append(path)
    moved: dict[int, str] = {}
    for digest, paths in files.items():
        stayed = {lost[id].path: id for id in items[digest] if lost[id].path in paths}
        moved |= {id: path for path, id in stayed.items()}
        paths = [path for path in paths if path not in stayed]
        free = [id for id in items[digest] if id not in moved]
        gone = [id for id in free if lost[id].path not in found]
        for some in (gone, free[len(gone) :]):
            for part in (_name, _folder, _nothing):
                _pair(some, paths, lost, part, moved)
    return moved


def _pair(
    items: list[int], paths: list[str], lost: Mapping[int, Lost], part: Callable[[str], str], moved: dict[int, str]
) -> None:
    """Put those that agree in a part of their path together, and take them from the lists."""
    at = defaultdict(list)
    for path in paths:
        at[part(path)].append(path)
    for id in list(items):
        if places := at[part(lost[id].path)]:
            moved[id] = places.pop(0)
            paths.remove(moved[id])
            items.remove(id)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _nothing(path: str) -> str:
    return ""
