"""Each field in each place where it can stand, in each encoding: read as it was written, and as exiftool shows it.

exiftool (Phil Harvey; Debian's libimage-exiftool-perl) is the independent reader. Where we differ on purpose, DIFFERENT
says why.
"""

import io
import json
import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass
from functools import partial

import pytest
from PIL import Image, features

from diptych.sources.decoders import look

HERE, EXIF, GPS = 0, 0x8769, 0x8825
TEXT = "Zürich am See"
DAY = "1988-12-01T18:53:44"
PLACE = (-33.85, 151.2083333)


@dataclass
class Cell:
    """One file: its bytes, what it should say, and the name and value under which exiftool shows that."""

    data: bytes
    ending: str
    field: str
    written: object
    shown: str


def picture(form, **options):
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "teal").save(file, form, **options)
    return file.getvalue()


def segments(*parts):
    data = picture("JPEG")
    return data[:2] + b"".join(bytes((255, mark)) + struct.pack(">H", len(x) + 2) + x for mark, x in parts) + data[2:]


def chunks(*parts, behind=False):
    data = picture("PNG")
    added = b"".join(
        struct.pack(">I", len(x)) + kind + x + struct.pack(">I", zlib.crc32(kind + x)) for kind, x in parts
    )
    at = len(data) - 12 if behind else 33
    return data[:at] + added + data[at:]


def formats():
    """name -> (ending, how a file is made from EXIF, from XMP)"""
    found = {
        "jpeg": (
            ".jpg",
            partial(with_exif, "JPEG"),
            lambda xmp: segments((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp)),
        ),
        "png": (".png", partial(with_exif, "PNG"), lambda xmp: chunks((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))),
        "png, behind its pixels": (
            ".png",
            lambda exif: chunks((b"eXIf", exif.tobytes()[6:]), behind=True),
            lambda xmp: chunks((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp), behind=True),
        ),
        "webp": (".webp", partial(with_exif, "WEBP"), lambda xmp: picture("WEBP", xmp=xmp)),
        "tiff": (".tif", tiff, lambda xmp: picture("TIFF", tiffinfo={700: xmp})),
        "tiff, packed": (
            ".tif",
            partial(tiff, packed=True),
            lambda xmp: picture("TIFF", tiffinfo={700: xmp}, compression="tiff_lzw"),
        ),
        "gif": (".gif", None, gif),
    }
    if features.check("avif"):
        found["avif"] = (".avif", partial(with_exif, "AVIF"), lambda xmp: picture("AVIF", xmp=xmp))
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return found
    register_heif_opener()
    found["heic"] = (".heic", partial(with_exif, "HEIF"), lambda xmp: picture("HEIF", xmp=xmp))
    return found


def with_exif(form, exif):
    return picture(form, exif=exif.tobytes())


def tiff(exif, packed=False):
    """EXIF is a TIFF without pixels: these are put behind it. PIL writes no EXIF into a packed TIFF."""
    pixels = zlib.compress(bytes(16 * 16)) if packed else bytes(16 * 16)
    exif.update({256: 16, 257: 16, 258: 8, 259: 8 if packed else 1, 262: 1, 277: 1, 278: 16, 279: len(pixels)})
    exif[273] = 0  # where the pixels begin; PIL counts it from the end
    return exif.tobytes()[6:] + pixels


def gif(xmp):
    data = picture("GIF")
    at = data.index(b"\x2c", 13 + 3 * 2 ** ((data[10] & 7) + 1))
    magic = bytes([1, *range(255, -1, -1), 0])
    return data[:at] + b"\x21\xff\x0bXMP DataXMP" + xmp + magic + data[at:]


def exif_cells():
    fields = {
        "description": ("captions", (TEXT,), "IFD0:ImageDescription", HERE, {0x010E: TEXT}),
        "comment": ("captions", ("See",), "ExifIFD:UserComment", EXIF, {0x9286: b"ASCII\0\0\0See\0"}),
        "comment, unicode": (
            "captions", (TEXT,), "ExifIFD:UserComment", EXIF, {0x9286: b"UNICODE\0" + TEXT.encode("utf-16-be")},
        ),
        "title of Windows": ("captions", (TEXT,), "IFD0:XPTitle", HERE, {0x9C9B: wide(TEXT)}),
        "comment of Windows": ("captions", (TEXT,), "IFD0:XPComment", HERE, {0x9C9C: wide(TEXT)}),
        "subject of Windows": ("captions", (TEXT,), "IFD0:XPSubject", HERE, {0x9C9F: wide(TEXT)}),
        "keywords of Windows": ("tags", ("Zürich", "湖"), "IFD0:XPKeywords", HERE, {0x9C9E: wide("Zürich;湖")}),
        "taken": ("taken", DAY, "ExifIFD:DateTimeOriginal", EXIF, {0x9003: "1988:12:01 18:53:44"}),
        "digitised": ("taken", DAY, "ExifIFD:CreateDate", EXIF, {0x9004: "1988:12:01 18:53:44"}),
        "taken, in the first folder": ("taken", DAY, "IFD0:DateTimeOriginal", HERE, {0x9003: "1988:12:01 18:53:44"}),
        "description, cut by a zero": ("captions", ("See",), "IFD0:ImageDescription", HERE, {0x010E: b"See\0old"}),
        "edited": ("taken", None, "IFD0:ModifyDate", HERE, {0x0132: "1988:12:01 18:53:44"}),
        "camera": ("camera", "X100V", "IFD0:Model", HERE, {0x0110: "X100V"}),
        "place": ("place", PLACE, "GPS", GPS, {1: "S", 2: (33.0, 51.0, 0.0), 3: "E", 4: (151.0, 12.5, 0.0)}),
        "place, without seconds": ("place", PLACE, "GPS", GPS, {1: "S", 2: (33.0, 51.0), 3: "E", 4: (151.0, 12.5)}),
        "place, zero": ("place", (None, None), "GPS", GPS, {1: "N", 2: (0.0,) * 3, 3: "E", 4: (0.0,) * 3}),
    }  # fmt: skip
    for form, (ending, make, _) in formats().items():
        for name, (field, written, shown, folder, tags) in fields.items() if make else ():
            exif = Image.Exif()
            exif.endian = ">"
            (exif.get_ifd(folder) if folder else exif).update(
                {tag: value.encode() if value == TEXT else value for tag, value in tags.items()}
            )
            yield f"EXIF | {name} | {form}", Cell(make(exif), ending, field, written, shown)


def wide(text):
    return (text + "\0").encode("utf-16-le")


SPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
}


def packet(inside="", attributes=""):
    spaces = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in SPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {spaces} {attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    )


def listed(name, *entries, kind="Bag", language=""):
    items = "".join(f"<rdf:li{language}>{entry}</rdf:li>" for entry in entries)
    return f"<{name}><rdf:{kind}>{items}</rdf:{kind}></{name}>"


def xmp_fields():
    """name -> (field, written, shown, what stands in the packet, or an attribute's name and value)"""
    default = ' xml:lang="x-default"'
    tree, path = ("Rome", "Places/Rome", "Zürich", "Places/Zürich"), ("Places{}Rome", "Places{}Zürich")
    face = "<mwg-rs:Regions rdf:parseType='Resource'>" + listed(
        "mwg-rs:RegionList", "<rdf:Description mwg-rs:Name='Zoë' mwg-rs:Type='Face'/>"
    ) + "</mwg-rs:Regions>"  # fmt: skip
    person = "<MP:RegionInfo rdf:parseType='Resource'><MPRI:Regions><rdf:Bag><rdf:li MPReg:PersonDisplayName='Zoë'/>"
    person += "</rdf:Bag></MPRI:Regions></MP:RegionInfo>"
    fields = {
        "subject": ("tags", ("Zürich", "See"), "XMP-dc:Subject", listed("dc:subject", "Zürich", "See")),
        "description": (
            "captions", (TEXT,), "XMP-dc:Description", listed("dc:description", TEXT, kind="Alt", language=default),
        ),
        "title": ("captions", (TEXT,), "XMP-dc:Title", listed("dc:title", TEXT, kind="Alt", language=default)),
        "alt text": (
            "captions", (TEXT,), "XMP-iptcCore:AltTextAccessibility",
            listed("Iptc4xmpCore:AltTextAccessibility", TEXT, kind="Alt", language=default),
        ),
        "tree of Lightroom": (
            "tags", tree, "XMP-lr:HierarchicalSubject",
            listed("lr:hierarchicalSubject", *(p.format("|") for p in path)),
        ),
        "tree of digiKam": (
            "tags", tree, "XMP-digiKam:TagsList",
            listed("digiKam:TagsList", *(p.format("/") for p in path), kind="Seq"),
        ),
        "tree of Microsoft": (
            "tags", tree, "XMP-microsoft:LastKeywordXMP",
            listed("MicrosoftPhoto:LastKeywordXMP", *(p.format("/") for p in path)),
        ),
        "person": ("tags", ("Zoë",), "XMP-iptcExt:PersonInImage", listed("Iptc4xmpExt:PersonInImage", "Zoë")),
        "face": ("tags", ("Zoë",), "XMP-mwg-rs:RegionName", face),
        "face of Microsoft": ("tags", ("Zoë",), "XMP-MP:RegionPersonDisplayName", person),
        "place": (
            "place", PLACE, "XMP-exif",
            "<exif:GPSLatitude>33,51,0S</exif:GPSLatitude><exif:GPSLongitude>151,12.5E</exif:GPSLongitude>",
        ),
        "place, as attributes": (
            "place", PLACE, "XMP-exif", ('exif:GPSLatitude="33,51.0S" exif:GPSLongitude', "151,12,30E"),
        ),
        "headline": ("captions", (TEXT,), "XMP-photoshop:Headline", ("photoshop:Headline", TEXT)),
        "created": ("taken", DAY, "XMP-photoshop:DateCreated", ("photoshop:DateCreated", DAY)),
        "taken": ("taken", DAY, "XMP-exif:DateTimeOriginal", ("exif:DateTimeOriginal", DAY)),
        "taken, with a zone": ("taken", DAY, "XMP-exif:DateTimeOriginal", ("exif:DateTimeOriginal", DAY + "+02:00")),
        "taken, without seconds": ("taken", DAY[:16], "XMP-exif:DateTimeOriginal", ("exif:DateTimeOriginal", DAY[:16])),
        "taken, a day": ("taken", DAY[:10], "XMP-photoshop:DateCreated", ("photoshop:DateCreated", DAY[:10])),
        "taken, a year": ("taken", "1988", "XMP-photoshop:DateCreated", ("photoshop:DateCreated", "1988")),
        "digitised": ("taken", DAY, "XMP-xmp:CreateDate", ("xmp:CreateDate", DAY)),
        "edited": ("taken", None, "XMP-xmp:ModifyDate", ("xmp:ModifyDate", DAY)),
        "camera": ("camera", "X100V", "XMP-tiff:Model", ("tiff:Model", "X100V")),
    }  # fmt: skip
    for name, (field, written, shown, inside) in fields.items():
        if isinstance(inside, str):
            yield name, field, written, shown, packet(inside)
        else:
            yield f"{name}, an attribute", field, written, shown, packet(attributes=f'{inside[0]}="{inside[1]}"')
            if " " not in inside[0]:
                yield f"{name}, an element", field, written, shown, packet(f"<{inside[0]}>{inside[1]}</{inside[0]}>")


def xmp_cells():
    sidecar = {"sidecar": (".xmp", None, lambda xmp: xmp)}
    for form, (ending, _, make) in (formats() | sidecar).items():
        for name, field, written, shown, text in xmp_fields():
            for encoding in ("utf-8", "utf-16-be", "utf-16-le", "utf-16", "utf-32", "utf-32-be", "latin-1"):
                if encoding != "utf-8" and (form not in ("jpeg", "sidecar") or "ü" not in text):
                    continue  # whoever finds the packet hands it on as it is
                mark = "" if encoding == "latin-1" else "\ufeff"
                cell = Cell(make(text.replace("\ufeff", mark).encode(encoding)), ending, field, written, shown)
                yield f"XMP | {name} | {form} | {encoding}", cell


def dataset(number, value, record=2):
    return b"\x1c" + bytes((record, number)) + struct.pack(">H", len(value)) + value


def resources(block):
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(block)) + block + b"\0" * (len(block) % 2)


def iptc_cells():
    fields = {
        "keywords": ("tags", ("Zürich", "See"), "IPTC:Keywords", [(25, "Zürich"), (25, "See")]),
        "caption": ("captions", (TEXT,), "IPTC:Caption-Abstract", [(120, TEXT)]),
        "headline": ("captions", (TEXT,), "IPTC:Headline", [(105, TEXT)]),
        "object name": ("captions", (TEXT,), "IPTC:ObjectName", [(5, TEXT)]),
        "created": ("taken", DAY, "Composite:DateTimeCreated", [(55, "19881201"), (60, "185344+0000")]),
        "created, a day": ("taken", DAY[:10], "IPTC:DateCreated", [(55, "19881201")]),
        "digitised": ("taken", DAY, "Composite:DigitalCreationDateTime", [(62, "19881201"), (63, "185344")]),
    }
    photoshop = b"Photoshop 3.0\0"
    places = {
        "jpeg": (".jpg", lambda block: segments((0xED, photoshop + resources(block)))),
        "jpeg, two segments": (
            ".jpg",
            lambda block: segments(
                (0xED, photoshop + resources(block)[:30]), (0xED, photoshop + resources(block)[30:])
            ),
        ),
        "tiff": (".tif", lambda block: picture("TIFF", tiffinfo={33723: block})),
        "tiff, in Photoshop's": (".tif", lambda block: picture("TIFF", tiffinfo={34377: resources(block)})),
    }
    for place, (ending, make) in places.items():
        for name, (field, written, shown, values) in fields.items():
            for encoding, mark in (("utf-8", b"\x1b%G"), ("utf-8", b""), ("cp1252", b"")):
                if encoding != "utf-8" and field == "taken":
                    continue
                block = dataset(90, mark, record=1) if mark else b""
                block += b"".join(dataset(number, text.encode(encoding)) for number, text in values)
                said = "said" if mark else "not said"
                yield f"IPTC | {name} | {place} | {encoding}, {said}", Cell(make(block), ending, field, written, shown)


def text_cells():
    texts = {
        "tEXt": lambda name: (b"tEXt", name + b"\0" + TEXT.encode("latin-1")),
        "tEXt in UTF-8": lambda name: (b"tEXt", name + b"\0" + TEXT.encode()),
        "zTXt": lambda name: (b"zTXt", name + b"\0\0" + zlib.compress(TEXT.encode("latin-1"))),
        "iTXt": lambda name: (b"iTXt", name + b"\0\0\0\0\0" + TEXT.encode()),
    }
    for kind, make in texts.items():
        for name in ("Title", "Description"):
            cell = Cell(chunks(make(name.encode())), ".png", "captions", (TEXT,), f"PNG:{name}")
            yield f"PNG | {name} | {kind}", cell


def cells():
    return {name: cell for some in (exif_cells, xmp_cells, iptc_cells, text_cells) for name, cell in some()}


# Beginnings of the names of cells in which exiftool shows something else, and why.
DIFFERENT = {
    "EXIF | edited": "the date of an edit is not when it was taken; exiftool shows it under its own name",
    "XMP | edited": "the same",
    "EXIF | place, zero": "0, 0 is what is written where there is no fix",
    "PNG | Title | tEXt in UTF-8": "the standard says Latin-1, and exiftool keeps to it; most programs write UTF-8",
    "PNG | Description | tEXt in UTF-8": "the same",
}
# And their ends.
DIFFERENT_ENDS = {
    "latin-1": "XMP may not be Latin-1, and exiftool shows a question mark for each letter beyond ASCII",
    "sidecar | utf-32": "exiftool takes a file of it for plain text",
    "utf-8, not said": "exiftool takes IPTC for Latin-1 unless 1:90 says UTF-8; bytes that read as UTF-8 are UTF-8",
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """name -> (the cell, its file)"""
    home = tmp_path_factory.mktemp("cells")
    found = {}
    for n, (name, cell) in enumerate(cells().items()):
        file = home / f"{n:04d}{cell.ending}"
        file.write_bytes(cell.data)
        found[name] = cell, file
    return found


def ours(cell, file):
    if cell.ending == ".xmp":
        plain = file.with_suffix(".png")
        plain.write_bytes(chunks())
        found = look(str(plain), [str(file)])
    else:
        found = look(str(file))
    assert (found.reason, found.note) == ("", ""), file
    return (found.lat, found.lon) if cell.field == "place" else getattr(found, cell.field)


def test_each_cell_is_read_as_it_was_written(table):
    assert len(table) > 300
    found = {name: ours(cell, file) for name, (cell, file) in table.items()}
    assert {name: value for name, value in found.items() if value != table[name][0].written} == {}


def theirs(cell, shown):
    """What exiftool shows of a cell, in our words."""
    if cell.field == "place":
        found = shown.get(f"{cell.shown}:GPSLatitude"), shown.get(f"{cell.shown}:GPSLongitude")
        if cell.shown == "GPS" and None not in found:
            south, west = shown["GPS:GPSLatitudeRef"] == "S", shown["GPS:GPSLongitudeRef"] == "W"
            found = found[0] * (-1 if south else 1), found[1] * (-1 if west else 1)
        return tuple(part if part is None else round(part, 7) for part in found)
    value = shown.get(cell.shown, shown.get(cell.shown.replace("IPTC:", "IPTC2:")))  # its second place
    if cell.field == "taken":
        day, _, time = str(value or "").partition(" ")
        return "T".join(filter(None, (day.replace(":", "-"), time[:8].partition("+")[0]))) or None
    if cell.field == "camera":
        return value
    values = value if isinstance(value, list) else [str(value)]
    if "XPKeywords" in cell.shown:
        values = values[0].split(";")
    if any(tree in cell.shown for tree in ("Hierarchical", "TagsList", "LastKeyword")):
        values = [part for path in values for part in (path.replace("|", "/").split("/")[-1], path.replace("|", "/"))]
    return tuple(values)


exiftool = pytest.mark.skipif(not shutil.which("exiftool"), reason="wants exiftool (Debian: libimage-exiftool-perl)")


@exiftool
def test_each_cell_is_read_as_exiftool_shows_it(table):
    home = next(file.parent for _, file in table.values())
    command = ["exiftool", "-json", "-G1", "-a", "-n", "-api", "struct=0", "-all:all", "-composite:all", str(home)]
    told = subprocess.run([*command, "-ext", "xmp", "-ext", "*"], capture_output=True, check=False).stdout
    shown = {entry["SourceFile"]: entry for entry in json.loads(told)}
    differ = {}
    for name, (cell, file) in table.items():
        found = theirs(cell, shown[str(file)])
        if found != cell.written:
            differ[name] = found
    known = (*DIFFERENT, *DIFFERENT_ENDS)
    assert {
        name: found for name, found in differ.items() if not name.startswith(known) and not name.endswith(known)
    } == {}


WRITTEN = {
    "EXIF:ImageDescription": TEXT,
    "EXIF:UserComment": "Grüße 湖",
    "EXIF:XPTitle": "Titel",
    "EXIF:XPKeywords": "one;two",
    "EXIF:DateTimeOriginal": "1988:12:01 18:53:44",
    "EXIF:GPSLatitude": "33.85",
    "EXIF:GPSLatitudeRef": "S",
    "EXIF:GPSLongitude": "151.25",
    "EXIF:GPSLongitudeRef": "E",
    "IPTC:CodedCharacterSet": "UTF8",
    "IPTC:Keywords": "Köln",
    "IPTC:Caption-Abstract": "in IPTC",
    "XMP-dc:Subject": "dog",
    "XMP-dc:Description": "1 < 2 & 3",
    "XMP-dc:Title-de": "auf Deutsch",
    "XMP-lr:HierarchicalSubject": "Places|Italy|Rome",
    "XMP-digiKam:TagsList": "People/Ann",
    "XMP-mwg-rs:RegionInfo": "{RegionList=[{Name=Bob,Type=Face},{Name=none,Type=Focus}]}",
    "XMP-mwg-kw:KeywordInfo": "{Hierarchy=[{Keyword=Animals,Children=[{Keyword=Cat}]}]}",
    "XMP-MP:RegionInfoMP": "{Regions=[{PersonDisplayName=Cleo}]}",
    "XMP-iptcExt:PersonInImage": "Dan",
    "XMP-iptcExt:PersonInImageWDetails": "{PersonName=Eve}",
    "XMP-acdsee:Categories": '<Categories><Category Assigned="1">Sea</Category></Categories>',
    "XMP-dc:Rights": "x " * 50_000,  # more than a segment of a JPEG holds
}


@exiftool
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif", ".gif", ".avif", ".heic", ".xmp"])
def test_what_exiftool_writes_is_read(tmp_path, ending):
    if ending not in {known for known, _, _ in formats().values()} | {".xmp"}:
        pytest.skip(f"no reader of {ending}")
    file = tmp_path / f"a{ending}"
    if ending == ".xmp":
        (tmp_path / "a.png").write_bytes(picture("PNG"))
    else:
        form = {".jpg": "JPEG", ".tif": "TIFF", ".heic": "HEIF"}.get(ending, ending[1:].upper())
        file.write_bytes(picture(form))
    (tmp_path / "args").write_text("".join(f"-{name}={value}\n" for name, value in WRITTEN.items()))
    subprocess.run(["exiftool", "-q", "-m", "-@", str(tmp_path / "args"), str(file)], check=True, capture_output=True)
    found = look(str(tmp_path / "a.png"), [str(file)]) if ending == ".xmp" else look(str(file))
    assert (found.reason, found.note) == ("", "")
    names = {"dog", "Rome", "Places/Italy/Rome", "Ann", "People/Ann", "Cat", "Animals/Cat", "Sea"}
    names |= {"Bob", "Cleo", "Dan", "Eve"}
    captions = {"1 < 2 & 3", "auf Deutsch"}
    if ending not in (".gif", ".xmp"):  # these have no EXIF
        names |= {"one", "two"}
        captions |= {TEXT, "Grüße 湖", "Titel"}
        assert (found.taken, found.lat, found.lon) == (DAY, -33.85, 151.25)
    if ending in (".jpg", ".tif"):
        names |= {"Köln"}
        captions |= {"in IPTC"}
    assert (set(found.tags), set(found.captions)) == (names, captions)
