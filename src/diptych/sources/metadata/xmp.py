"""XMP (ISO 16684-1), read as leniently as the programs that show it, and with less than XML can do.

Packets out there hold comments, CDATA, raw ampersands, prefixes that nothing binds, Latin-1, UTF-16, and the end of a
longer packet behind their own. A parser of XML refuses all of that, whole. So this is a reader of marks: elements,
attributes and text become a tree, whatever does not fit is passed over, and the only entities are the five of XML and
numbers. It goes over the packet once, from left to right.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from xml.etree.ElementTree import Element, TreeBuilder

from diptych.sources.metadata.about import MAX_WORDS, About
from diptych.sources.metadata.reading import by_people, decoded_file, moment, place, plain, undated

MAX_BYTES = 8_000_000
"""Bytes of a packet."""

MAX_MARKS = 500_000
"""Starts and ends of elements, texts and comments in a packet."""

MAX_DEPTH = 64
"""Elements in each other."""

_MAX_ATTRIBUTES = 1_000
_MAX_NAME = 200  # of one step of a tree of keywords: each of its leaves repeats it

_CAPTIONS = (
    "dc:description",
    "dc:title",
    "photoshop:Headline",
    "tiff:ImageDescription",
    "exif:UserComment",
    "Iptc4xmpCore:AltTextAccessibility",
    "Iptc4xmpCore:ExtDescrAccessibility",
    "acdsee:caption",
)
_TAGS = (
    "dc:subject",
    "MicrosoftPhoto:LastKeywordIPTC",
    "acdsee:keywords",
    "Iptc4xmpExt:PersonInImage",
    "mediapro:People",
)
_PATHS = {
    "lr:hierarchicalSubject": "|",
    "mediapro:CatalogSets": "|",
    "digiKam:TagsList": "/",
    "MicrosoftPhoto:LastKeywordXMP": "/",
}
_MEMBERS = {"mwg-rs:Name", "mwg-rs:Type", "mwg-kw:Keyword", "MPReg:PersonDisplayName"}
_TAKEN = ("photoshop:DateCreated", "exif:DateTimeOriginal")
_DIGITISED = ("exif:DateTimeDigitized", "xmp:CreateDate")
_CAMERA = ("tiff:Model", "tiff:Make")

# The prefixes above are those of the standards. A packet may bind others to the same names, and is then read by these.
_PREFIXES = {
    "http://www.w3.org/1999/02/22-rdf-syntax-ns": "rdf",
    "http://purl.org/dc/elements/1.1": "dc",
    "http://purl.org/dc/elements/1.0": "dc",
    "http://ns.adobe.com/photoshop/1.0": "photoshop",
    "http://ns.adobe.com/tiff/1.0": "tiff",
    "http://ns.adobe.com/exif/1.0": "exif",
    "http://ns.adobe.com/xap/1.0": "xmp",
    "http://ns.adobe.com/lightroom/1.0": "lr",
    "http://www.digikam.org/ns/1.0": "digiKam",
    "http://ns.iview-multimedia.com/mediapro/1.0": "mediapro",
    "http://ns.acdsee.com/iptc/1.0": "acdsee",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns": "Iptc4xmpCore",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29": "Iptc4xmpExt",
    "http://ns.microsoft.com/photo/1.0": "MicrosoftPhoto",
    "http://ns.microsoft.com/photo/1.2/t/Region": "MPReg",
    "http://www.metadataworkinggroup.com/schemas/regions": "mwg-rs",
    "http://www.metadataworkinggroup.com/schemas/keywords": "mwg-kw",
}

_INSIDE = re.compile(r"""</?[^\s<>/="'!?](?:[^<>"']++|"[^"]*+"|'[^']*+')*+""")
_ATTRIBUTE = re.compile(r"""([^\s<>/="']++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'))?""")
_ENTITY = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_NUMBER, _BETWEEN = r"(\d+(?:\.\d*)?|\.\d+)", r"(?:[ ,°º'′’\"″”]|deg)+"
_COORDINATE = re.compile(
    rf"([NSEW])? ?([+-])?{_NUMBER}(?:{_BETWEEN}{_NUMBER})?(?:{_BETWEEN}{_NUMBER})?(?:{_BETWEEN})?([NSEW])?",
    re.IGNORECASE,
)


def read(packet: bytes) -> About:
    """Captions, tags, dates, the camera and the place; every language that is given.

    "Places|Italy|Rome" gives two tags: `Rome`, and `Places/Italy/Rome`. Names of faces are tags.
    """
    if not packet.strip(b"\0 \t\r\n"):
        return About()
    try:
        if len(packet) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES:,} bytes")
        return _about(*_tree(decoded_file(packet)))
    except ValueError as error:
        return About(notes=(f"XMP left out: {error}",))


def _about(root: Element, problem: str) -> About:
    wrapped = list(root.iter("rdf:RDF"))
    tops = [top for rdf in wrapped for top in rdf] or [top for top in root if top.tag == "rdf:Description"]
    if not (wrapped or tops or problem):
        raise ValueError("there is no RDF in it")
    said = _Said(tops)
    tags = chain(said.all(*_TAGS), _people(tops), _leaves(said))
    sides = said.first("exif:GPSLatitude"), said.first("exif:GPSLongitude")
    lat, lon = place(*map(_degrees, sides))
    notes = [f"XMP left out in part: {problem}"] if problem else []
    notes += [
        f"a place left out: {plain(side)[:40]!r} does not read" for side in sides if side and _degrees(side) is None
    ]
    return About(
        by_people(said.all(*_CAPTIONS)),
        tuple(islice(filter(str.strip, tags), MAX_WORDS + 1)),
        said.date(_TAKEN),
        said.date(_DIGITISED),
        next(filter(None, map(plain, said.all(*_CAMERA))), None),
        lat,
        lon,
        (*notes, *undated(said.all(*_TAKEN, *_DIGITISED))),
    )


class _Said:
    """The properties of the picture itself, not of those that it was made from, which stand deeper in the packet."""

    def __init__(self, tops: Iterable[Element]) -> None:
        self.attributes: dict[str, list[str]] = defaultdict(list)
        self.elements: dict[str, list[Element]] = defaultdict(list)
        for top in tops:
            for name, value in top.items():
                self.attributes[name].append(value)
            for element in top:
                self.elements[element.tag].append(element)

    def all(self, *names: str) -> Iterator[str]:
        for name in names:
            yield from self.attributes.get(name, ())
            for element in self.elements.get(name, ()):
                yield from _values(element)

    def first(self, name: str) -> str:
        return next(self.all(name), "")

    def date(self, names: Iterable[str]) -> str | None:
        return next(filter(None, map(moment, self.all(*names))), None)


def _values(element: Element) -> Iterator[str]:
    """The texts of a property: one, or those of its list."""
    entries = [entry for entry in element.iter() if entry.tag == "rdf:li" or entry.tag.startswith("rdf:_")]
    for entry in entries or [element]:
        inner = (value for child in entry for value in (child, *child))
        value = next(
            (value for value in inner if value.tag == "rdf:value"), entry
        )  # what stands beside it qualifies it
        yield "".join((value.text or "", *(child.tail or "" for child in value))) or entry.get("rdf:value", "")


def _leaves(said: _Said) -> Iterator[str]:
    for name, parting in _PATHS.items():
        for path in said.all(name):
            yield from _leaf(path.split(parting))
    for element in said.elements.get("mwg-kw:Keywords", ()):
        yield from _hierarchy(element, ())
    for element in _tree(said.first("acdsee:categories"))[0].iter("Categories"):
        yield from _categories(element, ())


def _leaf(path: Iterable[str]) -> Iterator[str]:
    """The last name of a path, and the whole of it."""
    names = [" ".join(name.split()) for name in path]
    names = [name for name in names if name]
    if names:
        yield names[-1]
        yield "/".join(names)


def _hierarchy(element: Element, above: tuple[str, ...]) -> Iterator[str]:
    """The keywords of the Metadata Working Group: a tree."""
    for child in element:
        name = _fields(child).get("mwg-kw:Keyword", "")[:_MAX_NAME]
        below = list(_hierarchy(child, (*above, name) if name else above))
        yield from below or (_leaf((*above, name)) if name else ())


def _categories(element: Element, above: tuple[str, ...]) -> Iterator[str]:
    """ACDSee's categories, a document inside the document; those that are assigned."""
    for child in element:
        path = (*above, (child.text or "")[:_MAX_NAME])
        if child.get("Assigned") == "1":
            yield from _leaf(path)
        yield from _categories(child, path)


def _people(tops: Iterable[Element]) -> Iterator[str]:
    """Names at faces (and at pets), as the Metadata Working Group and Microsoft write them, and of IPTC's persons."""
    for top in tops:
        for element in top.iter():
            fields = _fields(element)
            if fields.get("mwg-rs:Type", "face").strip().lower() in ("face", "pet"):
                yield fields.get("mwg-rs:Name", "")
            yield fields.get("MPReg:PersonDisplayName", "")
            if element.tag == "Iptc4xmpExt:PersonName":
                yield from _values(element)


def _fields(element: Element) -> Mapping[str, str]:
    """The members of a structure, written as attributes or as elements; of several languages the first."""
    return dict(element.items()) | {child.tag: next(_values(child)) for child in element if child.tag in _MEMBERS}


def _degrees(text: str) -> float | None:
    """`33,51.5S`, `33,51,30.5S`, and what is not allowed and written: `-33.85`, `S 33° 51.5'`."""
    text = plain(text)
    match = _COORDINATE.fullmatch(text) if len(text) <= _MAX_NAME else None
    if not match:
        return None
    degrees, minutes, seconds = (float(part or 0) for part in match.group(3, 4, 5))
    value = degrees + minutes / 60 + seconds / 3600
    side = (match[1] or match[6] or "").upper()
    return -value if match[2] == "-" or side in ("S", "W") else value


# ------------------------------------------------------------------------------------------------------------ the tree


def _tree(text: str) -> tuple[Element, str]:
    """The elements of a packet below one root, and what was left out of it. Raises ValueError for a document type."""
    builder, bound = TreeBuilder(), dict[str, str]()
    builder.start("", {})
    open_, n, problem = [""], 0, ""
    for kind, mark in _marks(text):
        if (n := n + 1) > MAX_MARKS:
            problem = f"more than {MAX_MARKS:,} marks"
            break
        if kind == "text":
            builder.data(mark)
        elif kind == "end":
            name = _named(mark, bound)
            if name in open_:
                while builder.end(open_.pop()).tag != name:
                    problem = "elements are not closed"
        elif len(open_) > MAX_DEPTH:
            problem = f"more than {MAX_DEPTH} elements in each other"
            break
        else:
            name, attributes = _element(mark, bound)
            builder.start(name, attributes)
            open_.append(name)
            if mark.endswith("/"):
                builder.end(open_.pop())
    if "rdf:RDF" in open_ and not problem:
        problem = "it is cut off"
    while open_:
        builder.end(open_.pop())
    return builder.close(), problem


def _marks(text: str) -> Iterator[tuple[str, str]]:
    """("text", …), ("start", an element and its attributes) and ("end", its name), in order."""
    at = 0
    while at < len(text):
        start = text.find("<", at)
        if start < 0:
            start = len(text)
        if start > at:
            yield "text", _unescaped(text[at:start])
        at = start
        if text.startswith("<!--", at):
            at = _behind(text, "-->", at)
        elif text.startswith("<![CDATA[", at):
            end = _behind(text, "]]>", at)
            yield "text", text[at + 9 : end - 3]
            at = end
        elif text.startswith("<?xpacket end", at):
            return  # what stands behind is left over from a longer packet
        elif text.startswith("<?", at):
            at = _behind(text, "?>", at)
        elif text.startswith("<!", at):
            raise ValueError("it has a document type, which XMP may not")
        elif inside := _INSIDE.match(text, at):
            end = inside.end()
            if text[end : end + 1] in ('"', "'"):  # a quotation mark that nothing closes
                end = text.find(">", end)
            if not 0 <= end < len(text):
                return  # cut off
            if text[end] == "<":
                yield "text", _unescaped(text[at:end])  # its bracket was a raw one
            elif text[at + 1] == "/":
                yield "end", text[at + 2 : end].strip()
            else:
                yield "start", text[at + 1 : end]
            at = end + (text[end] == ">")
        elif at < len(text):
            yield "text", "<"  # a raw one
            at += 1


def _behind(text: str, ending: str, at: int) -> int:
    end = text.find(ending, at)
    return len(text) if end < 0 else end + len(ending)


def _element(mark: str, bound: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Name and attributes by the prefixes of _PREFIXES. What the element binds is put into `bound`.

    A binding is kept when its element ends: packets bind a prefix once, or everywhere alike.
    """
    name, *rest = islice(_ATTRIBUTE.finditer(mark), _MAX_ATTRIBUTES)
    values = {part[1]: _unescaped(part[2] or part[3] or "") for part in rest}
    for attribute, value in values.items():
        if attribute == "xmlns" or attribute.startswith("xmlns:"):
            bound[attribute[6:]] = value
    attributes = {_named(attribute, bound): value for attribute, value in values.items() if ":" in attribute}
    return _named(name[1], bound), {name: values[name] for name in values if ":" not in name} | attributes


def _named(name: str, bound: Mapping[str, str]) -> str:
    prefix, _, local = name.rpartition(":")
    space = bound.get(prefix)
    if space is not None:
        return f"{_PREFIXES.get(space.rstrip('/#'), '?')}:{local}"
    return f"xmp:{local}" if prefix == "xap" else name  # a prefix that nothing binds is what it is everywhere


def _unescaped(text: str) -> str:
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    if match[3]:
        return _NAMED[match[3]]
    code = int(match[1]) if match[1] else int(match[2], 16)
    return chr(code) if code <= 0x10FFFF else ""
