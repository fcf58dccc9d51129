"""The pictures below a folder, with the files of words beside them, as the file system tells it.

Nothing is opened but files of patterns (see `ignore`); whoever asks `passed_over` what the other files are has their
first bytes read.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from diptych.kinds import BadInput
from diptych.sources import folder
from diptych.sources.ignore import FILE, Rules

PICTURES = folder.PICTURES | {".jpe", ".jfif", ".heic", ".heif", ".avif"}
"""Endings of files that are pictures."""

WORDS = frozenset({".txt", ".xmp"})
"""Endings of files that hold words about the picture beside them: `a.txt`, `a.jpg.txt`, `a.xmp`, `a.jpg.xmp`.

A file of words is of the picture whose whole name it has (`a.jpg.xmp` of `a.jpg`, not of `a.jpg.png`), else of the one
whose stem it has (`a.xmp`), and only when there is none, of one that differs in nothing but case and the composition of
accents. The `.xmp` of another picture or of another program's raw file is worse than none: a picture has one, and one
that two pictures could claim is of neither. A `.txt` was written for here, and is of every picture of its stem.
"""

_ENDINGS = "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mrw nef nrw orf pef raf raw rw2 sr2 srf srw x3f"
_RAW = frozenset(f".{ending}" for ending in _ENDINGS.split())
_OTHERS = """
7z aac aae ai avi bin bz2 cop cos cot css csv db doc docx eps exe exr flac gz hdr htm html ico ini iso jp2 js json jsonl
jxl lrcat m2ts m4a m4v md mkv mov mp3 mp4 mpeg mpg mts nfo ogg parquet pdf psb psd py rar sqlite srt svg tar tga thm tsv
url wav webm wmv xcf xls xlsx xml yaml yml zip
"""
KNOWN = _RAW | {f".{ending}" for ending in _OTHERS.split()}
"""Endings of files that are no pictures we read, so that nobody has to look into them; raw ones look like TIFF."""

_BEGINNINGS = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "GIF": re.compile(rb"GIF8[79]a"),
    "WebP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "TIFF": re.compile(rb"II\*\0|MM\0\*"),
    "BMP": re.compile(rb"BM....\0\0\0\0", re.DOTALL),
    "AVIF": re.compile(rb"....ftypavi[fs]", re.DOTALL),
    "HEIC": re.compile(rb"....ftyp(?:hei[cx]|mif1)", re.DOTALL),
}


Place = tuple[int, int] | str
"""What tells one folder from another, whatever it is called: its disk and its number there, or its own name."""


class Found(NamedTuple):
    """One picture.

    beside      files with words about it
    beside_at   what changes when one of those does
    note        files of words that may be about it and are left out, and why
    """

    path: str
    size: int
    mtime_ns: int
    beside: tuple[str, ...] = ()
    beside_at: str = ""
    note: str = ""


class Passed(NamedTuple):
    """A file that is passed over.

    ending   in small letters, with its dot; "" where it has none
    looks    the format its first bytes are those of, where its ending hides that it is a picture
    """

    path: str
    ending: str
    looks: str = ""


@dataclass
class Tree:
    """What lies below a folder, besides what is hidden.

    files     its pictures, in the order of their paths
    refused   (path, why) of pictures that are not read; a name that is no Unicode is spelt with `\\xff` in it
    closed    folders that could not be listed: what lies in them is unknown, not gone
    mounts    folders that lie on another disk than the folder they are in
    passed    the other files: no pictures by their endings, nor words beside one
    left_out  files and folders that a pattern leaves out
    """

    files: list[Found] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def walk(root: str | Path, seen: set[Place] | None = None, exclude: Sequence[str] = ()) -> Tree:
    """Every picture below the folder `root`. What is hidden is left alone.

    seen      folders that are not visited again, under whatever name; those visited are added
    exclude   patterns of what to leave out, told from the root; they win against those of files (see `ignore`)

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
    ahead = [(top, top.stat().st_dev, Rules.of(top.absolute(), exclude))]
    links: list[tuple[Path, Rules]] = []
    linked: dict[str, str] = {}
    while ahead or links:
        # Links wait until everything has been visited by its own name.
        here, device, rules = ahead.pop() if ahead else (links[0][0], 0, links.pop(0)[1])
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
        if (here / FILE).is_file():
            rules = rules.read(here)
        files, folders, more = _listed(here, real, tree, linked, rules)
        tree.files += files
        ahead += [(folder, at.st_dev, rules.inside(folder.name)) for folder in folders]
        links += [(link, rules.inside(link.name)) for link in more]
    tree.files = sorted(_by_one_name(tree.files, linked))
    return tree


def passed_over(paths: Iterable[str]) -> list[Passed]:
    """What these files are. One whose ending is not KNOWN may be a picture, and its first bytes are read."""
    endings = ((path, _split(_name(path))[1]) for path in paths)
    return [Passed(path, ending, _looks(path, ending)) for path, ending in endings]


def not_unicode() -> str:
    """Why a name is not read, and the way out: where the locale reads names as something else, it may be a good one."""
    encoding = sys.getfilesystemencoding().lower()
    if encoding != "utf-8":
        return f"its name is read as {encoding} here, and is more than that; set PYTHONUTF8=1"
    return "its name is not Unicode; rename it"


def _looks(path: str, ending: str) -> str:
    if ending in KNOWN or ending in WORDS:
        return ""
    try:
        with open(path, "rb", buffering=0) as file:
            first = file.read(16)
    except OSError:
        return ""
    return next((kind for kind, beginning in _BEGINNINGS.items() if beginning.match(first)), "")


def pictures(paths: Iterable[str]) -> Tree:
    """These files, as `walk` would find them. Raises BadInput for one that is not a picture."""
    tree = Tree()
    within: dict[Path, set[str]] = {}
    for path in paths:
        within.setdefault(Path(path).parent, set()).add(path)
    for parent, wanted in within.items():
        here = Tree()
        found, _, _ = _listed(parent, os.sep, here, {}, Rules())  # whoever names a link wants what it leads to
        tree.files += [file for file in found if file.path in wanted]
        tree.refused += [file for file in here.refused if file[0] in wanted]
        missing = wanted - {file.path for file in tree.files} - {path for path, _ in tree.refused}
        if missing:
            path = min(missing)
            why = f"not a picture ({', '.join(sorted(PICTURES))})"
            raise BadInput(f"{path}: {'hidden files are left alone' if _name(path).startswith('.') else why}")
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
    here: Path, real_root: str, tree: Tree, linked: dict[str, str], rules: Rules
) -> tuple[list[Found], list[Path], list[Path]]:
    """The pictures, the folders and the links to folders in one folder. linked: gets where links to pictures lead."""
    pictures: list[tuple[str, os.stat_result]] = []
    words: dict[str, os.DirEntry[str]] = {}
    folders: list[Path] = []
    links: list[Path] = []
    before = len(tree.passed)
    try:
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                ending = _split(entry.name)[1]
                try:
                    target = os.path.realpath(entry.path) if entry.is_symlink() else ""
                    wanted = ending in PICTURES or entry.is_dir()
                    if rules.leave_out(entry.name + "/" * entry.is_dir()):
                        tree.left_out.append(entry.path)
                    elif wanted and _spelt(entry.name) != entry.name:
                        tree.refused.append((_spelt(entry.path), not_unicode()))
                    elif wanted and target and not os.path.exists(target):  # noqa: PTH110 - a string is all there is
                        tree.refused.append((entry.path, "a link to nothing; bring its target back, or remove it"))
                    elif wanted and target and not _inside(target, real_root):
                        tree.refused.append((entry.path, "a link that leads out of the folder; index its target"))
                    elif entry.is_dir():
                        (links if target else folders).append(here / entry.name)
                    elif ending in PICTURES and entry.is_file():
                        pictures.append((entry.path, entry.stat()))
                        if target:
                            linked[entry.path] = target
                    elif ending in WORDS and entry.is_file() and (not target or _inside(target, real_root)):
                        words[entry.name] = entry
                    elif entry.is_file():
                        tree.passed.append(entry.path)
                except OSError as error:
                    if ending in PICTURES:
                        tree.refused.append((_spelt(entry.path), f"not readable ({error.strerror})"))
    except OSError:
        tree.closed.append(str(here))
    raw = [_name(path) for path in tree.passed[before:] if _split(path)[1] in _RAW]
    owned, doubts = _owned(words, sorted(_name(path) for path, _ in pictures), sorted(raw))
    found = [_found(path, facts, owned, doubts, words) for path, facts in pictures]
    used = {path for file in found for path in file.beside}
    doubted = {word for path, _ in pictures for word, _ in doubts.get(_name(path), ())}
    tree.passed += [entry.path for name, entry in words.items() if entry.path not in used and name not in doubted]
    return found, sorted(folders, reverse=True), sorted(links)


def _found(
    path: str,
    facts: os.stat_result,
    owned: Mapping[str, list[str]],
    doubts: Mapping[str, list[tuple[str, str]]],
    words: Mapping[str, os.DirEntry[str]],
) -> Found:
    name = _name(path)
    beside = [words[word] for word in owned.get(name, ())]
    doubted = doubts.get(name, ())
    state = []
    for entry in (*beside, *(words[word] for word, _ in doubted)):
        at = entry.stat()
        state.append(f"{at.st_size}:{at.st_mtime_ns}")
    note = "; ".join(f"{word} left out: {why}" for word, why in doubted)
    paths = tuple(entry.path for entry in beside)
    return Found(path, facts.st_size, facts.st_mtime_ns, paths, " ".join(state), note)


def _owned(
    words: Iterable[str], pictures: Sequence[str], raw: Sequence[str] = ()
) -> tuple[dict[str, list[str]], dict[str, list[tuple[str, str]]]]:
    """Picture -> its files of words, and -> (file of words, why it is not its own). See WORDS.

    raw   files beside them that no picture is read from, and whose `.xmp` other programs call so
    """
    owned: dict[str, list[str]] = defaultdict(list)
    doubts: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, owners in _claims(words, [*pictures, *raw]):
        if _split(name)[1] == ".xmp":
            free = [owner for owner in owners if not any(_split(other)[1] == ".xmp" for other in owned[owner])]
            if len(free) != 1:
                asked = f"is it of {' or of '.join(sorted(free))}? Name it in full, as a.jpg.xmp is of a.jpg"
                for owner in free or owners:
                    doubts[owner].append((name, asked if free else f"{owner} has another"))
                continue
            owners = free
        for owner in owners:
            owned[owner].append(name)
    return owned, doubts


def _claims(words: Iterable[str], pictures: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each file of words with the pictures that it is nearest to by its name; the nearest first."""
    left = sorted(words)
    for fold in (str, _folded):
        for part in (str, _stem):
            if not left:
                return
            owners = defaultdict(list)
            for picture in pictures:
                owners[fold(part(picture))].append(picture)
            yield from ((name, owners[fold(_stem(name))]) for name in left if fold(_stem(name)) in owners)
            left = [name for name in left if fold(_stem(name)) not in owners]


def _folded(name: str) -> str:
    """Without regard to case, and to how accents are composed, which a Mac does otherwise."""
    return unicodedata.normalize("NFC", name.lower())


def _stem(name: str) -> str:
    return _split(name)[0]


def _split(name: str) -> tuple[str, str]:
    """Stem and ending, the ending in small letters; pathlib does the same ten times slower."""
    stem, dot, ending = name.rpartition(".")
    return (stem, f".{ending.lower()}") if dot and stem else (name, "")


def _name(path: str) -> str:
    return path.rpartition(os.sep)[2]


def _spelt(path: str) -> str:
    """A path as Unicode: bytes of it that are none are written as `\\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
