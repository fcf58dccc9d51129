import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diptych.sources import exif
from diptych.sources.exif import Facts, Words

XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Description rdf:about="">
 <dc:description><rdf:Alt><rdf:li xml:lang="x-default">Two dogs
   at the sea</rdf:li><rdf:li xml:lang="de">Zwei Hunde</rdf:li></rdf:Alt></dc:description>
 <dc:title><rdf:Alt><rdf:li xml:lang="x-default">Holiday</rdf:li></rdf:Alt></dc:title>
 <dc:subject><rdf:Bag><rdf:li>dog</rdf:li><rdf:li>sea</rdf:li><rdf:li>dog</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def reopened(exif_block: Image.Exif, form: str = "JPEG", **options) -> Image.Image:
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 6, 3), dtype=np.uint8)).save(file, form, exif=exif_block, **options)
    return Image.open(io.BytesIO(file.getvalue()))


def block(model="X100V", taken="2020:05:01 12:30:15", gps=None) -> Image.Exif:
    made = Image.Exif()
    made[0x0110] = model
    made.get_ifd(0x8769)[0x9003] = taken
    if gps:
        made.get_ifd(0x8825).update(gps)
    return made


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_date_camera_and_place_are_read(form):
    gps = {1: "N", 2: (48.0, 51.0, 29.6), 3: "E", 4: (2.0, 17.0, 40.2)}
    facts = exif.facts(reopened(block(gps=gps), form))
    assert (facts.taken, facts.camera) == ("2020-05-01T12:30:15", "X100V")
    assert facts.lat == pytest.approx(48.858222, abs=1e-5) and facts.lon == pytest.approx(2.294500, abs=1e-5)


def test_south_and_west_are_negative():
    facts = exif.facts(reopened(block(gps={1: "S", 2: (33.0, 51.0, 0.0), 3: "W", 4: (70.0, 30.0, 0.0)})))
    assert (facts.lat, facts.lon) == (-33.85, -70.5)


def test_a_place_without_its_other_half_or_off_the_globe_is_no_place():
    assert exif.facts(reopened(block(gps={1: "N", 2: (48.0, 51.0, 29.6)}))).lat is None
    assert exif.facts(reopened(block(gps={1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)}))).lat is None


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "2020:13:01 00:00:00", "    ", "yesterday"])
def test_a_date_that_no_calendar_has_is_left_out(taken):
    assert exif.facts(reopened(block(taken=taken))).taken is None


def test_a_picture_without_exif_says_nothing():
    assert exif.facts(Image.new("RGB", (2, 2))) == Facts()


def test_xmp_tells_captions_and_tags():
    assert exif.words(XMP.encode()) == Words(("Two dogs at the sea", "Zwei Hunde", "Holiday"), ("dog", "sea"))


def test_xmp_inside_a_jpeg_is_found():
    assert exif.embedded(reopened(block(), xmp=XMP.encode())).tags == ("dog", "sea")


def test_a_property_may_be_an_attribute_or_a_plain_element():
    plain = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<rdf:Description dc:title="A"><dc:description>B</dc:description></rdf:Description></rdf:RDF>'
    )
    assert exif.words(plain.encode()) == Words(("B", "A"))


def test_entities_are_refused_so_that_a_billion_laughs_cost_nothing():
    bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>' + XMP.replace("dog", "&b;").encode()
    assert exif.words(bomb) == Words()
    assert exif.words(XMP.encode() + b" " * exif.MAX_XMP) == Words()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data):
    assert isinstance(exif.words(data), Words)
    picture = Image.new("RGB", (2, 2))
    picture.info["exif"] = b"Exif\0\0" + data
    assert isinstance(exif.facts(picture), Facts)
