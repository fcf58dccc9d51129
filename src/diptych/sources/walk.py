"""The pictures below a folder, with the files of words beside them, as the file system tells it.

Nothing is opened but files of patterns (see `ignore`); whoever asks `passed_over` what the other files are has their
first bytes read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from diptych.kinds import BadInput
from diptych.sources import folder
from diptych.sources.ignore import FILE, Rules

PICTURES = folder.PICTURES | {".jpe", ".jfif", ".heic", ".heif", ".avif"}
"""Endings of files that are pictures."""

WORDS = frozenset({".txt", ".xmp"})
"""Endings of files that hold words about the picture beside them: `a.txt`, `a.jpg.txt`, `a.xmp`, `a.jpg.xmp`."""

_RAW = "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mrw nef nrw orf pef raf raw rw2 sr2 srf srw x3f"
_OTHERS = """
7z aac aae ai avi bin bz2 cop cos cot css csv db doc docx eps exe exr flac gz hdr htm html ico ini iso jp2 js json jsonl
jxl lrcat m2ts m4a m4v md mkv mov mp3 mp4 mpeg mpg mts nfo ogg parquet pdf psb psd py rar sqlite srt svg tar tga thm tsv
url wav webm wmv xcf xls xlsx xml yaml yml zip
"""
KNOWN = frozenset(f".{ending}" for ending in (_RAW + _OTHERS).split())
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

    files      its pictures, in the order of their paths
    refused    (path, why) of pictures that are not read; a name that is no Unicode is spelt with `\\xff` in it
    closed     folders that could not be listed: what lies in them is unknown, not gone
    passed     the other files: no pictures by their endings, nor words beside one
    left_out   files and folders (with a / behind them) that a pattern leaves out
    """

    files: list[Found] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def walk(root: str | Path, exclude: Sequence[str] = ()) -> Tree:
    """Every picture below the folder `root`. What is hidden is left alone.

    A link is followed as long as it leads to something inside the root, and no folder is visited twice. Raises BadInput
    where the root is no folder: a disk that is not mounted is not an empty one.

    exclude   patterns of what to leave out, told from the root; they win against those of files (see `ignore`)
    """
    top = Path(root)
    if not top.is_dir():
        raise BadInput(f"{root}: {'not a folder' if top.exists() else 'not there; is the disk mounted?'}")
    tree = Tree()
    real = os.path.realpath(top)
    seen = {real}
    ahead = [(top, Rules.of(top.absolute(), exclude))]
    while ahead:
        here, rules = ahead.pop()
        files, folders, rules = _listed(here, real, tree, rules)
        tree.files += files
        for below in folders:
            # By way of a link a place can be reached twice, or lead back to where it is reached from.
            where = os.path.realpath(below)
            if where not in seen:
                seen.add(where)
                ahead.append((below, rules.inside(below.name)))
    tree.files.sort()
    return tree


def passed_over(paths: Iterable[str]) -> list[Passed]:
    """What these files are. One whose ending is not KNOWN may be a picture, and its first bytes are read."""
    endings = ((path, _split(_name(path))[1]) for path in paths)
    return [Passed(path, ending, _looks(path, ending)) for path, ending in endings]


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
        found, _, _ = _listed(parent, os.sep, here, Rules())  # whoever names a link wants what it leads to
        tree.files += [file for file in found if file.path in wanted]
        tree.refused += [file for file in here.refused if file[0] in wanted]
        missing = wanted - {file.path for file in tree.files} - {path for path, _ in tree.refused}
        for path in sorted(missing):
            hidden = "hidden, and what is hidden is left alone; rename it"
            known = f"its ending is not that of a picture ({', '.join(sorted(PICTURES))})"
            raise BadInput(f"{path}: {hidden if _name(path).startswith('.') else known}")
    tree.files.sort()
    return tree


def _listed(here: Path, real_root: str, tree: Tree, rules: Rules) -> tuple[list[Found], list[Path], Rules]:
    """The pictures and the folders in one folder, and the rules that hold in it."""
    pictures: list[tuple[str, os.stat_result]] = []
    words: dict[str, os.DirEntry[str]] = {}
    folders: list[Path] = []
    try:
        with os.scandir(here) as listing:
            entries = list(listing)
    except OSError:
        tree.closed.append(str(here))
        return [], [], rules
    if any(entry.name == FILE for entry in entries):
        rules = rules.read(here)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        ending = _split(entry.name)[1]
        try:
            is_folder = entry.is_dir()
            if rules.leave_out(entry.name + "/" * is_folder):
                tree.left_out.append(entry.path + "/" * is_folder)
            elif (is_folder or ending in PICTURES) and (why := _refused(entry, real_root)):
                tree.refused.append((_spelt(entry.path), why))
            elif is_folder:
                folders.append(here / entry.name)
            elif ending in PICTURES and entry.is_file():
                pictures.append((entry.path, entry.stat()))
            elif ending in WORDS and entry.is_file() and not (entry.is_symlink() and _leads_out(entry, real_root)):
                words[entry.name.lower()] = entry
            elif entry.is_file():
                tree.passed.append(entry.path)
        except OSError as error:
            if ending in PICTURES:
                tree.refused.append((_spelt(entry.path), f"not readable ({error.strerror})"))
    found = [_found(path, facts, words) for path, facts in pictures]
    used = {path for file in found for path in file.beside}
    tree.passed += [entry.path for entry in words.values() if entry.path not in used]
    return found, sorted(folders, reverse=True), rules


def _refused(entry: os.DirEntry[str], real_root: str) -> str:
    """Why a picture or a folder is not read, as far as its name and its links tell; "" where it is."""
    if _spelt(entry.name) != entry.name:
        return "its name is not Unicode; rename it"
    if entry.is_symlink():
        if not os.path.exists(entry.path):  # noqa: PTH110 - a string is all that is needed
            return "a link to nothing; bring its target back, or remove it"
        if _leads_out(entry, real_root):
            return "a link that leads out of the folder; index its target"
    return ""


def _found(path: str, facts: os.stat_result, words: dict[str, os.DirEntry[str]]) -> Found:
    if not words:
        return Found(path, facts.st_size, facts.st_mtime_ns)
    name = _name(path).lower()
    stem = _split(name)[0]
    beside = [words[k] for k in (f"{stem}.txt", f"{name}.txt", f"{stem}.xmp", f"{name}.xmp") if k in words]
    state = []
    for entry in beside:
        at = entry.stat()
        state.append(f"{at.st_size}:{at.st_mtime_ns}")
    return Found(path, facts.st_size, facts.st_mtime_ns, tuple(entry.path for entry in beside), " ".join(state))


def _split(name: str) -> tuple[str, str]:
    """Stem and ending, the ending in small letters; pathlib does the same ten times slower."""
    stem, dot, ending = name.rpartition(".")
    return (stem, f".{ending.lower()}") if dot and stem else (name, "")


def _name(path: str) -> str:
    return path.rpartition(os.sep)[2]


def _spelt(path: str) -> str:
    """A path as Unicode: bytes of it that are none are written as `\\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _leads_out(link: os.DirEntry[str], root: str) -> bool:
    target = os.path.realpath(link.path)
    return target != root and not target.startswith(root.rstrip(os.sep) + os.sep)
