"""What lies in the folders of a collection now, and what is only out of reach: absence is not deletion.

A disk that is not mounted leaves an empty folder, or none. So a folder whose pictures are all missing is closed rather
than empty when it lay on a disk of its own, or on another one than now, or held many: what is known of it stays.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from diptych.collection import waiting
from diptych.collection.store import Store, command
from diptych.kinds import BadInput
from diptych.sources.walk import Found, Place, Tree, pictures, walk

MANY = 10
"""Pictures of a folder that do not all vanish by being deleted, while the folder stays."""


class Closed(NamedTuple):
    """Why nothing is known of what lies in a folder now, and what a person can do about it."""

    why: str
    remedy: str

    def told(self, n: int) -> str:
        """n   pictures that are indexed from there"""
        indexed = f", and {'1 is' if n == 1 else f'{n:,} are'} indexed from there" * bool(n)
        return f"{self.why}{indexed}; {self.remedy}"


NOT_THERE = Closed("not there now", "mount its disk")
NOT_LISTED = Closed("cannot be listed", "look at its permissions")
NOT_MOUNTED = Closed("its disk is not mounted", "mount it")
ANOTHER_DISK = Closed("another disk than before is mounted here", "mount the other")
EMPTIED = Closed("no picture in it now", "mount its disk")


@dataclass
class Survey:
    """A look over some folders. Paths are as the store keeps them, but for `roots`.

    roots     the folders that were looked at, in full, each by its one name
    single    the picture files
    missing   those of items that are not there any more
    found     path -> picture
    refused   path -> why a picture is not read
    within    what the paths of everything below these folders begin with
    closed    folder -> why nothing is known of what lies in it now
    mounts    folder -> the number of the disk that begins there
    passed    other files, in full
    left_out  files and folders that a pattern leaves out, in full
    """

    roots: list[str] = field(default_factory=list)
    single: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    found: dict[str, Found] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    within: list[str] = field(default_factory=list)
    closed: dict[str, Closed] = field(default_factory=dict)
    mounts: dict[str, int] = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def survey(store: Store, folders: Sequence[str], known: Iterable[str], exclude: Sequence[str] = ()) -> Survey:
    """Look at these folders and picture files.

    known     paths of items that have a file
    exclude   patterns of what to leave out, see `sources.ignore`

    Raises BadInput for a folder that is not there and never was, and where not one of the folders can be looked at.
    """
    known, look = sorted(known), Survey()
    before = set(store.roots())
    named = [_own_name(store, folder, known, before) for folder in folders]
    items = set(known)
    for path in named:
        if store.kept_path(path) in items and not os.path.lexists(path):
            _missed(store, path, look)
    places = [path for path in named if not os.path.isfile(path) and store.kept_path(path) not in items]
    look.single = [path for path in named if os.path.isfile(path)]
    for path in places:
        if path not in before and not os.path.isdir(path):
            what = (
                "not a folder" if os.path.exists(path) else "no such folder; is it misspelt, or its disk not mounted?"
            )
            raise BadInput(f"{path}: {what}")
    # A folder inside another is looked at with it.
    look.roots = [path for path in dict.fromkeys(places) if not any(inside(path, other) for other in places)]
    elsewhere = [root for root in before if not any(root == one or inside(root, one) for one in look.roots)]
    seen = {place for root in elsewhere if (place := _place(root))}
    for root in look.roots:
        _look_into(store, root, seen, known, exclude, look)
    if look.roots and not look.single and all(store.kept_path(root) in look.closed for root in look.roots):
        root = look.roots[0]
        held = sum(below(path, prefixes(store, root)) for path in known)
        away = look.closed[store.kept_path(root)].told(held)
        raise BadInput(f"{root}: {away}, or {command(store.folder, 'forget', root)}")
    _add(store, pictures(look.single), look)
    return look


def _missed(store: Store, path: str, look: Survey) -> None:
    folder = os.path.dirname(path)
    if os.path.isdir(folder):
        look.missing.append(store.kept_path(path))
    else:
        look.closed[store.kept_path(folder)] = NOT_THERE


def _look_into(
    store: Store, root: str, seen: set[Place], known: Sequence[str], exclude: Sequence[str], look: Survey
) -> None:
    kept, within = store.kept_path(root), prefixes(store, root)
    look.within += within
    if not os.path.isdir(root):
        look.closed[kept] = NOT_THERE
        return
    tree = walk(root, seen, exclude)
    _add(store, tree, look)
    excluded = [store.kept_path(path) for path in tree.left_out]  # what is left out on purpose is not out of reach
    out = {*excluded}, [prefix(path) for path in excluded]
    items = [path for path in known if below(path, within) and path not in out[0] and not below(path, out[1])]
    mounts = {_mount_of(root), *tree.mounts}
    look.mounts |= {store.kept_path(path): _disk(path) for path in mounts}
    look.closed |= _out_of_reach(store, kept, items, look.found)


def _add(store: Store, tree: Tree, look: Survey) -> None:
    look.found |= {store.kept_path(file.path): file for file in tree.files}
    look.refused |= {store.kept_path(path): why for path, why in tree.refused}
    look.passed += tree.passed
    look.left_out += tree.left_out
    look.closed |= {store.kept_path(folder): NOT_LISTED for folder in tree.closed}


def _out_of_reach(store: Store, root: str, known: Sequence[str], found: Mapping[str, Found]) -> dict[str, Closed]:
    """Folders from the root down whose pictures are all missing, but hardly because they were deleted."""
    if all(path in found for path in known):
        return {}
    held, here = _counts(known, root), _counts(found, root)
    still = _counts([path for path in known if path in found], root)
    disks = store.mounts()
    closed: dict[str, Closed] = {}
    for folder, n in sorted(held.items()):
        if still[folder] == n or any(folder == one or below(folder, [prefix(one)]) for one in closed):
            continue
        full = store.full_path(folder)
        mount = folder if folder in disks or folder != root else _mount_before(store, full, disks)
        if mount in disks and not os.path.ismount(store.full_path(mount)):  # whatever may lie there instead
            closed[folder] = NOT_MOUNTED
        elif still[folder]:
            continue
        elif mount in disks and disks[mount] != _disk(store.full_path(mount)):
            closed[folder] = ANOTHER_DISK
        elif not here[folder] and os.path.isdir(full) and (n >= MANY or folder == root):
            closed[folder] = EMPTIED
    return closed


def _mount_before(store: Store, folder: str, disks: Iterable[str]) -> str:
    """The mount point that a folder was under, whether a disk is mounted there now or not; "" where none is known."""
    return max((path for path in disks if inside(folder, store.full_path(path))), key=len, default="")


def _counts(paths: Iterable[str], root: str) -> Counter[str]:
    """Folder -> how many of these lie in it or below, for every folder up to the root."""
    counts = Counter[str]()
    for folder, n in Counter(path.rpartition("/")[0] for path in paths).items():
        while folder and folder != root:
            counts[folder] += n
            folder = folder.rpartition("/")[0]
        counts[root] += n
    return counts


def own_names(store: Store) -> None:
    """Give the items of a collection of version 1, which kept files by the names of links, the one name of their file.

    An item whose file is there by its own name as well goes, unless it has words that the other has not.
    """
    real = cache(os.path.realpath)
    ids = dict(store.rows("SELECT path, id FROM items"))
    with store.transaction():
        for path in [path for (path,) in store.rows("SELECT path FROM items WHERE size IS NOT NULL ORDER BY id")]:
            folder, name = os.path.split(store.full_path(path))
            own = store.kept_path(os.path.join(real(folder), name))
            if own == path:
                continue
            item, *twin = store.items([ids[path], *([ids[own]] if own in ids else [])])
            if not twin:
                store.put([replace(item, kept=own)], [False])
                ids[own] = item.id
            elif waiting.covers(twin[0], item):
                waiting.delete(store, [item.id])


def _own_name(store: Store, path: str, known: Sequence[str], roots: set[str]) -> str:
    """The one name that a folder has here, whichever it was called by: a link, another mount, another case."""
    if os.path.isfile(path):
        return os.path.join(os.path.realpath(os.path.dirname(os.path.abspath(path))), os.path.basename(path))
    real = os.path.realpath(path)
    if real in roots or any(inside(real, root) for root in roots) or (place := _place(real)) is None:
        return real
    folders = {store.full_path(path.rpartition("/")[0] or ".") for path in known}
    return next((other for other in (*sorted(roots), *sorted(folders)) if _place(other) == place), real)


def _place(folder: str) -> Place | None:
    try:
        at = os.stat(folder)
    except OSError:
        return None
    return (at.st_dev, at.st_ino) if at.st_ino else os.path.realpath(folder)


def _mount_of(path: str) -> str:
    """The mount point that a folder lies under, or is."""
    while not os.path.ismount(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _disk(path: str) -> int:
    """A number of the file system there that stays the same when it is mounted again; 0 where there is none."""
    try:
        return int(os.statvfs(path).f_fsid) & (2**63 - 1)
    except (AttributeError, OSError):
        return 0


def inside(path: str, folder: str) -> bool:
    """Whether a full path lies below a folder."""
    return path != folder and path.startswith(folder.rstrip(os.sep) + os.sep)


def prefix(folder: str) -> str:
    """What the kept paths of everything in a folder begin with; "" where that is every relative path."""
    return "" if folder == "." else folder.rstrip("/") + "/"


def prefixes(store: Store, folder: str) -> list[str]:
    """Those of a folder in full. Below one that the collection's home lies in, some paths are relative and some not."""
    own = prefix(store.kept_path(folder))
    return [own, ""] if own and inside(str(store.home), folder) else [own]


def below(path: str, within: Sequence[str]) -> bool:
    """Whether a kept path begins with one of these prefixes; "" is that of every relative path."""
    return any(path.startswith(start) if start else not path.startswith("/") for start in within)
