import random

import pytest

from diptych.sources.metadata import xmp
from diptych.sources.metadata.about import MAX_WORDS, About, joined

RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
SPACES = " ".join(
    f'xmlns:{prefix}="{space}"'
    for prefix, space in {
        "dc": "http://purl.org/dc/elements/1.1/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
        "lr": "http://ns.adobe.com/lightroom/1.0/",
        "digiKam": "http://www.digikam.org/ns/1.0/",
        "acdsee": "http://ns.acdsee.com/iptc/1.0/",
        "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
        "MP": "http://ns.microsoft.com/photo/1.2/",
        "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
        "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
        "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
        "mwg-kw": "http://www.metadataworkinggroup.com/schemas/keywords/",
        "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    }.items()
)


def packet(inside="", attributes="", before="", after=""):
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{before}<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF {RDF}><rdf:Description rdf:about="" {SPACES} {attributes}>{inside}</rdf:Description></rdf:RDF>'
        f'</x:xmpmeta>{after}<?xpacket end="w"?>'
    )


def bag(name, *entries, kind="Bag"):
    return f"<{name}><rdf:{kind}>{''.join(f'<rdf:li>{entry}</rdf:li>' for entry in entries)}</rdf:{kind}></{name}>"


def read(*inside, **options):
    return joined([xmp.read(packet(*inside, **options).encode())])


DOG = bag("dc:subject", "dog")


@pytest.mark.parametrize(
    "data",
    [
        packet("<!-- dc:subject is aliased -->" + DOG),
        packet(DOG, before="<!-- a > b -->"),
        packet(bag("dc:subject", "<![CDATA[dog]]>")),
        packet(DOG) + "<rdf:li>longer</rdf:li></rdf:Bag></x:xmpmeta><?xpacket end='w'?>",
        packet(DOG, after="</rdf:RDF><rdf:li>left</rdf:li>"),
        packet(DOG, after="\0" * 20),
        packet(DOG) + "\0" * 20,
        "\0\0" + packet(DOG),
        packet(DOG, before='<?xml version="1.0"?>'),
        '<?xml version="1.0" encoding="no-such"?>' + packet(DOG),
        packet(DOG, attributes='unbound:Credit="me" bare=yes lonely'),
        packet(DOG, attributes='plus:a="1 > 0" plus:b=\'"\''),
        packet("<a:b/><c>1 < 2 & <3</c>" + DOG),
        packet("</a></b:c>" + DOG),
        packet(DOG)[: packet(DOG).index("</rdf:Bag")],
        packet(DOG).replace("http://purl.org/dc/elements/1.1/", "http://purl.org/dc/elements/1.1"),
        packet(DOG).replace("xmlns:dc=", "xmlns:other=").replace("dc:subject", "other:subject"),
        packet(DOG).replace("xmlns:dc=", "xmlns:none="),
        packet(DOG).replace("rdf:", "r:").replace("xmlns:rdf", "xmlns:r"),
        packet('<subject xmlns="http://purl.org/dc/elements/1.1/"><rdf:Bag><rdf:li>dog</rdf:li></rdf:Bag></subject>'),
        packet("<dc:subject><rdf:Bag><rdf:_1>dog</rdf:_1></rdf:Bag></dc:subject>"),
        packet("<dc:subject>dog</dc:subject>"),
        packet("<dc:subject rdf:parseType='Resource'><rdf:value>dog</rdf:value><lr:a>no</lr:a></dc:subject>"),
        packet(attributes="dc:subject='dog'"),
        f"<rdf:Description {SPACES} dc:subject='dog'/>",
    ],
)
def test_what_other_programs_take_is_taken(data):
    assert joined([xmp.read(data.encode())]).tags == ("dog",)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_a_packet_may_be_in_any_encoding(encoding):
    assert xmp.read(packet(bag("dc:subject", "Zürich 湖")).encode(encoding)).tags == ("Zürich 湖",)


def test_latin_1_is_read_and_so_are_stray_bytes_in_utf_8():
    data = packet(bag("dc:subject", "Zürich", "See")).replace("\ufeff", "")
    assert xmp.read(data.encode("latin-1")).tags == ("Zürich", "See")
    assert xmp.read(data.encode().replace(b"See", b"K\xf6ln")).tags == ("Zürich", "Köln")


def test_entities_are_the_five_and_numbers():
    written = "a &amp; b &lt;c&gt; &quot;&apos; &#65;&#x42; &uuml; & &#0;&#xD800;&#x110000; &amp;lt; Tom & Jerry"
    assert read(bag("dc:title", written)).captions == ("a & b <c> \"' AB &uuml; & &lt; Tom & Jerry",)
    assert read(attributes='dc:title="a &amp; b"').captions == ("a & b",)
    assert read(bag("dc:title", "1 < 2, I <3 you")).captions == ("1 < 2, I <3 you",)
    assert read("<dc:title><![CDATA[a &amp; <b>]]></dc:title>").captions == ("a &amp; <b>",)


@pytest.mark.parametrize(
    "start", ["<!DOCTYPE x []>", '<!DOCTYPE x [<!ENTITY a "ha">]>', "<!ENTITY a SYSTEM 'file:///x'>"]
)
def test_a_document_type_is_refused_and_said(start):
    assert xmp.read((start + packet(DOG)).encode()) == About(
        notes=("XMP left out: it has a document type, which XMP may not",)
    )
    assert read("<!-- <!DOCTYPE x> --><![CDATA[<!DOCTYPE x>]]>" + DOG).tags == ("dog",)


def test_every_language_and_every_caption_is_read():
    inside = """<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Two dogs
       at the sea</rdf:li><rdf:li xml:lang="de">Zwei Hunde</rdf:li></rdf:Alt></dc:description>"""
    inside += (
        bag("dc:title", "Holiday", "Two dogs at the  sea", kind="Alt") + "<photoshop:Headline>Head</photoshop:Headline>"
    )
    inside += bag("Iptc4xmpCore:AltTextAccessibility", "Dogs run", kind="Alt") + bag(
        "exif:UserComment", "yes", kind="Alt"
    )
    found = read(inside, attributes='acdsee:caption="c" tiff:ImageDescription="SONY DSC"')
    assert found.captions == ("Two dogs at the sea", "Zwei Hunde", "Holiday", "Head", "yes", "Dogs run", "c")


PROPERTIES = {  # -> what of a picture it is, and the name of its space as the standard or its program has it
    "description": ("captions", "http://purl.org/dc/elements/1.1/"),
    "title": ("captions", "http://purl.org/dc/elements/1.0/"),
    "Headline": ("captions", "http://ns.adobe.com/photoshop/1.0/"),
    "ImageDescription": ("captions", "http://ns.adobe.com/tiff/1.0/"),
    "UserComment": ("captions", "http://ns.adobe.com/exif/1.0/"),
    "AltTextAccessibility": ("captions", "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"),
    "ExtDescrAccessibility": ("captions", "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"),
    "caption": ("captions", "http://ns.acdsee.com/iptc/1.0/"),
    "subject": ("tags", "http://purl.org/dc/elements/1.1/"),
    "LastKeywordIPTC": ("tags", "http://ns.microsoft.com/photo/1.0/"),
    "keywords": ("tags", "http://ns.acdsee.com/iptc/1.0/"),
    "PersonInImage": ("tags", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"),
    "People": ("tags", "http://ns.iview-multimedia.com/mediapro/1.0/"),
    "hierarchicalSubject": ("tags", "http://ns.adobe.com/lightroom/1.0/"),
    "CatalogSets": ("tags", "http://ns.iview-multimedia.com/mediapro/1.0/"),
    "TagsList": ("tags", "http://www.digikam.org/ns/1.0/"),
    "LastKeywordXMP": ("tags", "http://ns.microsoft.com/photo/1.0/"),
    "PersonDisplayName": ("tags", "http://ns.microsoft.com/photo/1.2/t/Region#"),
    "Model": ("camera", "http://ns.adobe.com/tiff/1.0/"),
    "Make": ("camera", "http://ns.adobe.com/tiff/1.0/"),
    "DateCreated": ("taken", "http://ns.adobe.com/photoshop/1.0/"),
    "DateTimeOriginal": ("taken", "http://ns.adobe.com/exif/1.0/"),
    "DateTimeDigitized": ("digitised", "http://ns.adobe.com/exif/1.0/"),
    "CreateDate": ("digitised", "http://ns.adobe.com/xap/1.0/"),
}


@pytest.mark.parametrize(("name", "fact"), PROPERTIES.items(), ids=PROPERTIES)
def test_every_property_is_known_by_its_space_whatever_its_prefix(name, fact):
    kind, space = fact
    value = "2020" if kind in ("taken", "digitised") else "dog"
    wanted = (value,) if kind in ("captions", "tags") else value
    if name == "PersonDisplayName":
        bodies = [f"<p:x><p:{name}>{value}</p:{name}></p:x>", f"<p:x p:{name}='{value}'/>"]
    else:
        bodies = [f"<p:{name}>{value}</p:{name}>", bag(f"p:{name}", value)]
    for body in bodies:
        data = f"<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><r:Description xmlns:p='{space}'>"
        data = data.replace("r:", "rdf:").replace("xmlns:r=", "xmlns:rdf=") + body + "</rdf:Description></rdf:RDF>"
        found = xmp.read(data.encode())
        assert joined([About(tags=found.tags)]).tags == wanted if kind == "tags" else getattr(found, kind) == wanted
        other = xmp.read(data.replace(space, "http://elsewhere/").encode())
        assert not any((other.captions, "".join(other.tags), other.camera, other.taken, other.digitised))


def test_a_mark_has_a_thousand_attributes_and_what_stands_behind_is_passed_over():
    many = " ".join(f"a{n}='x'" for n in range(997))  # besides the name of the element
    assert read(f"<dc:subject {many} rdf:value='dog' rdf:more='cat'/>").tags == ("dog",)
    assert read(f"<dc:subject {many} a='x' b='x' rdf:value='dog'/>").tags == ()


def test_names_of_a_tree_are_cut_and_a_place_of_a_thousand_digits_is_none():
    name = "x" * 201
    inside = (
        f'<mwg-kw:Keywords><rdf:li mwg-kw:Keyword="{name}"><rdf:li mwg-kw:Keyword="leaf"/></rdf:li></mwg-kw:Keywords>'
    )
    assert xmp.read(packet(inside).encode()).tags == ("leaf", f"{name[:-1]}/leaf")
    categories = f'&lt;Categories>&lt;Category Assigned="1">{name}&lt;/Category>&lt;/Categories>'
    assert xmp.read(packet(f"<acdsee:categories>{categories}</acdsee:categories>").encode()).tags == (name[:-1],) * 2
    long = f"<exif:GPSLatitude>{'0' * 199}1</exif:GPSLatitude><exif:GPSLongitude>2</exif:GPSLongitude>"
    assert (read(long).lat, read(long.replace("<exif:GPSLatitude>0", "<exif:GPSLatitude>00")).lat) == (1.0, None)


def test_a_path_is_its_last_name_and_the_whole():
    inside = bag("lr:hierarchicalSubject", "Places|Italy|Rome", "dog", "Places| Italy |Rome", "|")
    inside += bag("digiKam:TagsList", "People/Ann", kind="Seq") + bag("MicrosoftPhoto:LastKeywordXMP", "Sea/Lake")
    found = read(inside)
    assert found.tags == ("Rome", "Places/Italy/Rome", "dog", "Ann", "People/Ann", "Lake", "Sea/Lake")


def test_trees_of_keywords_give_their_leaves():
    def node(name, *below):
        children = f"<mwg-kw:Children><rdf:Bag>{''.join(below)}</rdf:Bag></mwg-kw:Children>" if below else ""
        return f'<rdf:li rdf:parseType="Resource"><mwg-kw:Keyword>{name}</mwg-kw:Keyword>{children}</rdf:li>'

    tree = node("Places", node("Italy", node("Rome"), node("Pisa"))) + node("dog")
    inside = f'<mwg-kw:Keywords rdf:parseType="Resource"><mwg-kw:Hierarchy><rdf:Bag>{tree}</rdf:Bag></mwg-kw:Hierarchy>'
    found = read(inside + "</mwg-kw:Keywords>")
    assert found.tags == ("Rome", "Places/Italy/Rome", "Pisa", "Places/Italy/Pisa", "dog")

    categories = (
        '<Categories><Category Assigned="0">Places<Category Assigned="1">Italy</Category></Category>'
        '<Category Assigned="1">dog</Category><Category Assigned="0">cat</Category></Categories>'
    )
    escaped = categories.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert read(f"<acdsee:categories>{escaped}</acdsee:categories>").tags == ("Italy", "Places/Italy", "dog")


def test_names_of_persons_are_tags():
    mwg = """<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>
      <rdf:li><rdf:Description mwg-rs:Name="Ann" mwg-rs:Type="Face"><mwg-rs:Area/></rdf:Description></rdf:li>
      <rdf:li rdf:parseType="Resource"><mwg-rs:Name>Ben</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type></rdf:li>
      <rdf:li mwg-rs:Name="Rex" mwg-rs:Type="Pet"/><rdf:li mwg-rs:Name="code" mwg-rs:Type="BarCode"/>
      <rdf:li mwg-rs:Type="Face"/><rdf:li mwg-rs:Name="there" mwg-rs:Type="Focus"/></rdf:Bag></mwg-rs:RegionList>
      </mwg-rs:Regions>"""
    microsoft = """<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>
      <rdf:li MPReg:PersonDisplayName="Cleo"/><rdf:li rdf:parseType="Resource">
      <MPReg:PersonDisplayName>Dan</MPReg:PersonDisplayName></rdf:li></rdf:Bag></MPRI:Regions></MP:RegionInfo>"""
    details = f"<rdf:li rdf:parseType='Resource'>{bag('Iptc4xmpExt:PersonName', 'Fay', kind='Alt')}</rdf:li>"
    iptc = bag("Iptc4xmpExt:PersonInImage", "Eve")
    iptc += f"<Iptc4xmpExt:PersonInImageWDetails><rdf:Bag>{details}</rdf:Bag></Iptc4xmpExt:PersonInImageWDetails>"
    assert read(mwg).tags == ("Ann", "Ben", "Rex")
    assert read(mwg.replace(">Ben<", f">{bag('x', 'Ben', 'Benno', kind='Alt')}<")).tags == ("Ann", "Ben", "Rex")
    assert read(mwg.replace(">Ben<", "><rdf:value>Ben</rdf:value><x>y</x><")).tags == ("Ann", "Ben", "Rex")
    assert read(bag("mediapro:People", "Gus")).tags == ("Gus",)
    assert read(microsoft).tags == ("Cleo", "Dan")
    assert read(iptc).tags == ("Eve", "Fay")


def test_dates_are_of_taking_then_of_digitising_and_never_of_an_edit():
    edit = 'xmp:ModifyDate="2024-12-31T23:00:00" xmp:MetadataDate="2024-12-31" tiff:DateTime="2024-12-31"'
    assert read(attributes=edit).taken is None
    created = xmp.read(packet(attributes=edit + ' xmp:CreateDate="2020-05-01T12:30:15+02:00"').encode())
    assert (created.taken, created.digitised) == (None, "2020-05-01T12:30:15")
    both = 'exif:DateTimeOriginal="2019-05-01" photoshop:DateCreated="1988-12" exif:DateTimeDigitized="2018"'
    found = xmp.read(packet(attributes=both).encode())
    assert (found.taken, found.digitised) == ("1988-12", "2018")
    assert read("<photoshop:DateCreated/><exif:DateTimeOriginal>2019</exif:DateTimeOriginal>").taken == "2019"
    odd = read(attributes='photoshop:DateCreated="May 1988" xmp:CreateDate="1989" exif:GPSLatitude="here"')
    said = "'May 1988' does not read", "'here' does not read"
    assert odd.taken == "1989" and {note.rpartition(": ")[2] for note in odd.notes} == set(said)


@pytest.mark.parametrize(
    ("lat", "lon", "place"),
    [
        ("33,51.5S", "151,12.5E", (-33.8583333, 151.2083333)),
        ("33,51,30.5S", "151,12,30W", (-33.8584722, -151.2083333)),
        ("33.5N", "0,0.0E", (33.5, 0.0)),
        ("-33.5", "151.25", (-33.5, 151.25)),
        ("0,0.0N", "0,0.0E", (None, None)),
        ("91,0.0N", "1,0.0E", (None, None)),
        ("33,51.5S", "", (None, None)),
        ("here", "there", (None, None)),
        ("S33,51.5", "e 151,12.5", (-33.8583333, 151.2083333)),
        ("33 51.5 S", "151 12 30 W", (-33.8583333, -151.2083333)),
        ("33° 51' 30.5&quot; S", "151 deg 12' 30\" E", (-33.8584722, 151.2083333)),
        ("33,51.S", ".5E", (-33.85, 0.5)),
        ("33 degrees", "151", (None, None)),
    ],
)
def test_a_place_is_read(lat, lon, place):
    found = read(f"<exif:GPSLongitude>{lon}</exif:GPSLongitude>", attributes=f'exif:GPSLatitude="{lat}"')
    assert (found.lat, found.lon) == place


def test_a_place_is_looked_for_once_and_not_in_every_way_to_part_blanks():
    """Hangs where the blanks are tried in pairs."""
    for between in (" " * 1_000_000, "," * 1_000_000, "\n, " * 300_000):
        found = read(f"<exif:GPSLongitude>2</exif:GPSLongitude><exif:GPSLatitude>33{between}x</exif:GPSLatitude>")
        assert (found.lat, found.lon) == (None, None)


def test_the_camera_is_its_model_else_its_maker():
    assert read(attributes='tiff:Make="FUJIFILM" tiff:Model=" X100V "').camera == "X100V"
    assert read(attributes='tiff:Make="FUJIFILM"').camera == "FUJIFILM"


def test_words_about_the_pictures_it_was_made_from_are_not_its_own():
    inner = f"<rdf:Description>{bag('dc:subject', 'other')}</rdf:Description>"
    pantry = f"<xmpMM:Pantry><rdf:Bag><rdf:li>{inner}</rdf:li></rdf:Bag></xmpMM:Pantry>"
    assert read(pantry + DOG).tags == ("dog",)


def test_what_is_left_out_is_said(monkeypatch):
    monkeypatch.setattr(xmp, "MAX_MARKS", 5_000)
    deep = packet("<a>" * xmp.MAX_DEPTH + "</a>" * xmp.MAX_DEPTH + DOG)
    for data, why in (
        (b"no XMP at all", "there is no RDF in it"),
        (b"<a/>", "there is no RDF in it"),
        (b" " * (xmp.MAX_BYTES + 1) + b"<", "more than 8,000,000 bytes"),
        (packet(DOG).encode()[:-80], "it is cut off"),
        (packet("<dc:creator>" + DOG).encode(), "elements are not closed"),
        (deep.encode(), "more than 64 elements in each other"),
        (packet("<a/>" * (xmp.MAX_MARKS + 1)).encode(), "more than 5,000 marks"),
    ):
        assert [why in note for note in xmp.read(data).notes] == [True], why
    assert xmp.read(b"") == xmp.read(b"\0 \n") == xmp.read(packet().encode()) == About()


def test_as_much_as_may_be_is_read(monkeypatch):
    for deeper, notes in ((61, ()), (62, ("XMP left out in part: more than 64 elements in each other",))):
        assert read(DOG + "<a>" * deeper + "</a>" * deeper).notes == notes  # in three of the packet
    marks = sum(1 for _ in xmp._marks(packet(DOG)))
    for most, notes in ((marks, ()), (marks - 1, (f"XMP left out in part: more than {marks - 1} marks",))):
        monkeypatch.setattr(xmp, "MAX_MARKS", most)
        found = read(DOG)
        assert found.notes == notes and found.tags == ("dog",)


def test_the_marks_read_grow_with_the_bytes_and_not_faster():
    """The patterns that make readers of marks slow: each is read in one pass, whose steps are counted."""
    n = 20_000
    for unit in (
        "<a ",
        "<a b='",
        '<a b="',
        "<a>",
        "</a",
        "<!--",
        "<![CDATA[",
        "<?",
        "<",
        "&",
        "&#",
        "a=",
        "' \"",
        "<a b=c ",
    ):
        text = packet(unit * n)
        assert sum(1 for _ in xmp._marks(text)) <= 3 * n + 100
        # What is given out is what was read: nothing twice.
        assert sum(len(mark) for _, mark in xmp._marks(text)) <= len(text)


def test_a_wide_tree_under_a_long_name_stays_small():
    leaves = "".join(f'<rdf:li mwg-kw:Keyword="{n}"/>' for n in range(20_000))
    inside = f'<mwg-kw:Keywords><rdf:li mwg-kw:Keyword="{"x" * 1_000_000}">{leaves}</rdf:li></mwg-kw:Keywords>'
    tags = xmp.read(packet(inside).encode()).tags
    assert len(tags) == MAX_WORDS + 1 and sum(map(len, tags)) < 2_000_000


def test_mutated_packets_give_something_and_never_raise():
    whole = packet(
        DOG
        + bag("lr:hierarchicalSubject", "Places|Italy|Rome")
        + "<mwg-rs:Regions><rdf:li mwg-rs:Name='Ann'/></mwg-rs:Regions>",
        attributes='exif:GPSLatitude="33,51.5S" exif:GPSLongitude="151,12.5E" photoshop:DateCreated="1988-12-01"',
    )
    pieces = [
        "<",
        ">",
        "</",
        "/>",
        '"',
        "'",
        "&",
        "&#x",
        ";",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "\0",
        "\ud800",
        "xmlns:",
    ]
    rng = random.Random(12)
    for round in range(3_000):
        data = bytearray(whole.encode(["utf-8", "utf-16-le", "utf-32-be"][round % 3]))
        for _ in range(rng.randrange(1, 8)):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    del data[at : at + rng.randrange(1, 60)]
                case 2:
                    data[at:at] = rng.choice(pieces).encode("utf-8", "surrogatepass")
                case 3:
                    data[at:at] = data[rng.randrange(len(data)) :][: rng.randrange(100)]
        found = joined([xmp.read(bytes(data))])
        "".join((*found.captions, *found.tags, found.camera or "", *found.notes)).encode()
        assert found.lat is None or abs(found.lat) <= 90
