"""The pictures below a folder, with the files of words beside them, as the file system tells it: nothing is opened."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from diptych.kinds import BadInput
from diptych.sources import folder

PICTURES = folder.PICTURES | {".jpe", ".jfif", ".heic", ".heif", ".avif"}
"""Endings of files that are pictures."""

WORDS = frozenset({".txt", ".xmp"})
"""Endings of files that hold words about the picture beside them: `a.txt`, `a.jpg.txt`, `a.xmp`, `a.jpg.xmp`.

A file of words is of the picture whose whole name it has (`a.jpg.xmp` of `a.jpg`, not of `a.jpg.png`), else of the one
whose stem it has (`a.xmp`), and only when there is none, of one that differs in nothing but case. The `.xmp` of another
picture or of another program's raw file is worse than none: a picture has one, and one that two pictures could claim is
of neither. A `.txt` was written for here, and is of every picture of its stem.
"""


Place = tuple[int, int] | str
"""What tells one folder from another, whatever it is called: its disk and its number there, or its own name."""


class Found(NamedTuple):
    """One picture.

    beside      files with words about it
    beside_at   what changes when one of those does
    """

    path: str
    size: int
    mtime_ns: int
    beside: tuple[str, ...] = ()
    beside_at: str = ""


@dataclass
class Tree:
    """What lies below a folder.

    files     its pictures, in the order of their paths
    refused   (path, why) of pictures, and of files of words, that are not read
    closed    folders that could not be listed: what lies in them is unknown, not gone
    mounts    folders that lie on another disk than the folder they are in
    """

    files: list[Found] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)


def walk(root: str | Path, seen: set[Place] | None = None) -> Tree:
    """Every picture below the folder `root`. What is hidden is left alone.

    seen   folders that are not visited again, under whatever name; those visited are added

    A link is followed as long as it leads to something inside the root. A folder, and a file that links lead to, has
    one name: its own, where it is reached by that. Raises BadInput where the root is no folder: a disk that is not
    mounted is not an empty one.
    """
    top = Path(root)
    if not top.is_dir():
        raise BadInput(f"{root}: {'not a folder' if top.exists() else 'not there; is the disk mounted?'}")
    tree = Tree()
    seen = set() if seen is None else seen
    real = os.path.realpath(top)
    ahead = [(top, top.stat().st_dev)]
    links: list[Path] = []
    linked: dict[str, str] = {}
    while ahead or links:
        # Links wait until everything has been visited by its own name.
        here, device = ahead.pop() if ahead else (links.pop(0), 0)
        try:
            at = here.stat()
        except OSError:
            tree.closed.append(str(here))
            continue
        place = (at.st_dev, at.st_ino) if at.st_ino else os.path.realpath(here)  # some systems number no folders
        if place in seen:  # it is reached by a second way, or from within itself
            continue
        seen.add(place)
        if device and at.st_dev != device:
            tree.mounts.append(str(here))
        files, folders, more = _listed(here, real, tree, linked)
        tree.files += files
        ahead += [(folder, at.st_dev) for folder in folders]
        links += more
    tree.files = sorted(_by_one_name(tree.files, linked))
    return tree


def pictures(paths: Iterable[str]) -> Tree:
    """These files, as `walk` would find them. Raises BadInput for one that is not a picture."""
    tree = Tree()
    within: dict[Path, set[str]] = {}
    for path in paths:
        within.setdefault(Path(path).parent, set()).add(path)
    for parent, wanted in within.items():
        here = Tree()
        found, _, _ = _listed(parent, os.sep, here, {})  # whoever names a link wants what it leads to
        tree.files += [file for file in found if file.path in wanted]
        tree.refused += [file for file in here.refused if file[0] in wanted]
        missing = wanted - {file.path for file in tree.files} - {path for path, _ in tree.refused}
        if missing:
            raise BadInput(f"{min(missing)}: not a picture ({', '.join(sorted(PICTURES))})")
    tree.files.sort()
    return tree


def _by_one_name(files: list[Found], linked: dict[str, str]) -> list[Found]:
    """Without the links to files that are there by their own name, and without the second link to any other.

    linked   path of a link -> where it leads
    """
    if not linked:
        return files
    real = cache(os.path.realpath)  # of folders, since there are far fewer of them
    own = set()
    for file in files:
        if file.path not in linked:
            folder, _, name = file.path.rpartition(os.sep)
            own.add(f"{real(folder or os.sep)}{os.sep}{name}")
    kept = []
    for file in sorted(files):
        target = linked.get(file.path, "")
        if target not in own:
            own.add(target or file.path)
            kept.append(file)
    return kept


def _listed(
    here: Path, real_root: str, tree: Tree, linked: dict[str, str]
) -> tuple[list[Found], list[Path], list[Path]]:
    """The pictures, the folders and the links to folders in one folder. linked: gets where links to pictures lead."""
    pictures: list[tuple[str, os.stat_result]] = []
    words: dict[str, os.DirEntry[str]] = {}
    folders: list[Path] = []
    links: list[Path] = []
    try:
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                ending = _split(entry.name)[1]
                try:
                    target = os.path.realpath(entry.path) if entry.is_symlink() else ""
                    if not _is_unicode(entry.name):
                        tree.refused.append((repr(entry.path), "its name is not Unicode; rename it"))
                    elif target and not _inside(target, real_root):
                        if ending in PICTURES or entry.is_dir():
                            tree.refused.append((entry.path, "a link that leads out of the folder; index its target"))
                    elif entry.is_dir():
                        (links if target else folders).append(here / entry.name)
                    elif ending in PICTURES and entry.is_file():
                        pictures.append((entry.path, entry.stat()))
                        if target:
                            linked[entry.path] = target
                    elif ending in WORDS and entry.is_file():
                        words[entry.name] = entry
                except OSError as error:
                    if ending in PICTURES:
                        tree.refused.append((entry.path, f"not readable ({error.strerror})"))
    except OSError:
        tree.closed.append(str(here))
    owned = _owned(words, sorted(path.rpartition(os.sep)[2] for path, _ in pictures), here, tree) if words else {}
    found = [_found(path, facts, owned, words) for path, facts in pictures]
    return found, sorted(folders, reverse=True), sorted(links)


def _found(
    path: str, facts: os.stat_result, owned: Mapping[str, list[str]], words: Mapping[str, os.DirEntry[str]]
) -> Found:
    beside = [words[name] for name in owned.get(path.rpartition(os.sep)[2], ())]
    state = []
    for entry in beside:
        at = entry.stat()
        state.append(f"{at.st_size}:{at.st_mtime_ns}")
    return Found(path, facts.st_size, facts.st_mtime_ns, tuple(entry.path for entry in beside), " ".join(state))


def _owned(words: Iterable[str], pictures: Sequence[str], here: Path, tree: Tree) -> dict[str, list[str]]:
    """Picture -> its files of words, by their names in this folder. See WORDS."""
    owned: dict[str, list[str]] = defaultdict(list)
    for name, owners in _claims(words, pictures):
        if _split(name)[1] == ".xmp":
            free = [owner for owner in owners if not any(_split(other)[1] == ".xmp" for other in owned[owner])]
            if len(free) != 1:
                asked = f"words of {' or of '.join(free)}? Name it in full, as a.jpg.xmp is of a.jpg"
                tree.refused.append((str(here / name), asked if free else f"{owners[0]} has another"))
                continue
            owners = free
        for owner in owners:
            owned[owner].append(name)
    return owned


def _claims(words: Iterable[str], pictures: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each file of words with the pictures that it is nearest to by its name; the nearest first."""
    left = sorted(words)
    for fold in (str, str.lower):
        for part in (str, _stem):
            if not left:
                return
            owners = defaultdict(list)
            for picture in pictures:
                owners[fold(part(picture))].append(picture)
            yield from ((name, owners[fold(_stem(name))]) for name in left if fold(_stem(name)) in owners)
            left = [name for name in left if fold(_stem(name)) not in owners]


def _stem(name: str) -> str:
    return _split(name)[0]


def _split(name: str) -> tuple[str, str]:
    """Stem and ending, the ending in small letters; pathlib does the same ten times slower."""
    stem, dot, ending = name.rpartition(".")
    return (stem, f".{ending.lower()}") if dot and stem else (name, "")


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
