import contextlib
import math
import operator
import random
import re
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diptych.collection import query as language
from diptych.collection.query import (
    COLUMNS,
    LENGTH,
    AllOf,
    AnyOf,
    Comparison,
    Field,
    Has,
    Near,
    Not,
    Term,
    great_circle_km,
    parse,
    register,
)
from diptych.collection.query.parser import COLUMN_OF
from diptych.collection.query.tree import flat
from diptych.kinds import BadInput


def text(value, weight=1.0):
    return Term(weight, "text", value)


def picture(value, weight=1.0):
    return Term(weight, "picture", value)


def year(op, value):
    return Comparison(Field("year"), op, float(value))


def tagged(value):
    return Comparison(Field("tag"), "=", value)


# ---------------------------------------------------------------------------------------------------------------- terms


@pytest.mark.parametrize(
    ("written", "terms"),
    [
        ("two dogs in the snow", [text("two dogs in the snow")]),
        ("  two   dogs\n", [text("two dogs")]),
        ("dog + beach - people", [text("dog"), text("beach"), text("people", -1.0)]),
        ("- people", [text("people", -1.0)]),
        ("black-and-white t-shirt, it's 2:30 at AT&T!", [text("black-and-white t-shirt, it's 2:30 at AT&T!")]),
        ("dog+cat c++", [text("dog+cat c++")]),
        ("dogs and cats or not near home", [text("dogs and cats or not near home")]),
        ('2:dog - "0.5:golden retriever"', [text("dog", 2.0), text("golden retriever", -0.5)]),
        ('2:golden retriever + 3:"2:1 ratio"', [text("golden retriever", 2.0), text("2:1 ratio", 3.0)]),
        ('1:"2:dog"', [text("2:dog")]),
        ("16:9 picture", [text("16:9 picture")]),
        ('"2:golden retriever" + ./pool.jpg', [text("golden retriever", 2.0), picture("./pool.jpg")]),
        ("/abs/x.PNG + ~/x.webp - 2:../up", [picture("/abs/x.PNG"), picture("~/x.webp"), picture("../up", -2.0)]),
        ('holiday.heic "my dog.jpg" "./my pool"', [picture(v) for v in ("holiday.heic", "my dog.jpg", "./my pool")]),
        ("black / white and/or ~ish", [text("black / white and/or ~ish")]),
        ("#123 - 2:#0045", [Term(1.0, "item", "123"), Term(-2.0, "item", "45")]),
        ("#nofilter #12a", [text("#nofilter #12a")]),
        (
            'dog "golden retriever" ./a.jpg snow',
            [text("dog"), text("golden retriever"), picture("./a.jpg"), text("snow")],
        ),
        (r'"say \"hi\" C:\new \\"', [text('say "hi" C:\\new \\')]),
        ('"dog AND cat (1 < 2)"', [text("dog AND cat (1 < 2)")]),
        ("犬 と 猫 🐕", [text("犬 と 猫 🐕")]),
        ("dog AND cat", [text("dog"), text("cat")]),
    ],
)
def test_terms(written, terms):
    query = parse(written)
    assert query.terms == tuple(terms)
    assert (query.never, query.where, query.text) == ((), None, written)


def test_not_excludes_the_following_term_altogether():
    query = parse('dog NOT people NOT "red car" AND NOT ./a.jpg NOT #4')
    assert query.terms == (text("dog"),)
    assert query.never == (text("people"), text("red car"), picture("./a.jpg"), Term(1.0, "item", "4"))


# -------------------------------------------------------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ("year >= 2020", year(">=", 2020)),
        ("YEAR>=2020", year(">=", 2020)),
        ("year == 2020", year("=", 2020)),
        ("year:2020", year("=", 2020)),
        ("lat > -33.5", Comparison(Field("lat"), ">", -33.5)),
        ("size > 2MB", Comparison(Field("size"), ">", 2e6)),
        ("size > 2 MB", Comparison(Field("size"), ">", 2e6)),
        ("size >= 1.5 tib", Comparison(Field("size"), ">=", 1.5 * 2**40)),
        ("width >= 800 px", Comparison(Field("width"), ">=", 800.0)),
        ("height < 600px", Comparison(Field("height"), "<", 600.0)),
        ("taken > 2020-05-01 10:30", Comparison(Field("taken"), ">", "2020-05-01T10:30")),
        ("taken >= 2020-05-01", Comparison(Field("taken"), ">=", "2020-05-01")),
        ('taken = "2020-05-01 10:30"', Comparison(Field("taken"), "=", "2020-05-01T10:30")),
        ("taken < 2020-05", Comparison(Field("taken"), "<", "2020-05")),
        ('camera = "X100V"', Comparison(Field("camera"), "=", "X100V")),
        ("camera = 007", Comparison(Field("camera"), "=", "007")),
        ("caption ~ snow", Comparison(Field("caption"), "~", "snow")),
        ("tag:family", tagged("family")),
        ('tag:"my family"', tagged("my family")),
        ("NOT tag:family", Not(tagged("family"))),
        ("iso <= 400", Comparison(Field("iso", True), "<=", 400.0)),
        ('iso = "400"', Comparison(Field("iso", True), "=", "400")),
        ("Exif.Photo:Lens != 35mm", Comparison(Field("Exif.Photo:Lens", True), "!=", "35mm")),
        ('"shot by" = Ann', Comparison(Field("shot by", True), "=", "Ann")),
        ('"NOT" = 3', Comparison(Field("NOT", True), "=", 3.0)),
        ('"year" = 3', Comparison(Field("year", True), "=", 3.0)),
        ("has(caption)", Has(Field("caption"))),
        ('has("shot by")', Has(Field("shot by", True))),
        ("near(48.85, 2.35, 20km)", Near(48.85, 2.35, 20.0)),
        ("near(-48.85,-2.35,500 m)", Near(-48.85, -2.35, 0.5)),
        ("near(90, -180, 0km)", Near(90.0, -180.0, 0.0)),
        ("year = 1 OR year = 2 AND year = 3", AnyOf((year("=", 1), AllOf((year("=", 2), year("=", 3)))))),
        ("(year = 1 OR year = 2) year = 3", AllOf((AnyOf((year("=", 1), year("=", 2))), year("=", 3)))),
        ("NOT (year = 1 AND tag:a)", Not(AllOf((year("=", 1), tagged("a"))))),
        ("NOT NOT tag:a", Not(Not(tagged("a")))),
        ("((tag:a AND (tag:b AND tag:c)))", AllOf((tagged("a"), tagged("b"), tagged("c")))),
    ],
)
def test_filters(written, where):
    query = parse(written)
    assert query.where == where
    assert (query.terms, query.never) == ((), ())
    assert parse(str(query)) == query


def test_terms_and_filters_mix():
    where = AllOf(
        (year(">=", 2020), Comparison(Field("camera"), "=", "X100V"), tagged("family"), Near(48.85, 2.35, 20.0))
    )
    for written in (
        'dog - cat AND year >= 2020 AND camera = "X100V" AND tag:family AND near(48.85, 2.35, 20km) NOT people',
        'year >= 2020 camera = "X100V" NOT people tag:family dog near(48.85, 2.35, 20km) - cat',
    ):
        query = parse(written)
        assert query.terms == (text("dog"), text("cat", -1.0))
        assert query.never == (text("people"),)
        assert query.where == where
    alternatives = parse("dog (year = 2020 OR tag:family)")
    assert alternatives.terms == (text("dog"),)
    assert alternatives.where == AnyOf((year("=", 2020), tagged("family")))


@pytest.mark.parametrize(
    ("written", "terms", "where"),
    [
        ("size > 2 MB dog", [text("dog")], Comparison(Field("size"), ">", 2e6)),
        ("size > 2 megapixels", [text("megapixels")], Comparison(Field("size"), ">", 2.0)),
        ("size > 2MB MB", [text("MB")], Comparison(Field("size"), ">", 2e6)),
        ("year > 2020 MB", [text("MB")], year(">", 2020)),
        ("taken > 2020 10:30", [text("10:30")], Comparison(Field("taken"), ">", "2020")),
        ("iso <= 400 dog", [text("dog")], Comparison(Field("iso", True), "<=", 400.0)),
        ("tag:family dog", [text("dog")], tagged("family")),
        ("camera = X100V AND dog", [text("dog")], Comparison(Field("camera"), "=", "X100V")),
        ("camera = X100V + dog", [text("dog")], Comparison(Field("camera"), "=", "X100V")),
        ('camera = "X100V" dog', [text("dog")], Comparison(Field("camera"), "=", "X100V")),
        ("camera = X100V ./a.jpg", [picture("./a.jpg")], Comparison(Field("camera"), "=", "X100V")),
    ],
)
def test_a_value_ends_where_no_one_can_take_the_next_word_for_a_part_of_it(written, terms, where):
    query = parse(written)
    assert (query.terms, query.where) == (tuple(terms), where)


# --------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "column 1: expected a term or a filter, found the end"),
        ("dog year >= cat", 'column 13: expected a number after >=, found "cat"'),
        ("camera =", "column 9: expected a value after =, found the end"),
        ("taken <", "column 8: expected a date such as 2020-05-01 after <, found the end"),
        ("year >=", "column 8: expected a number after >=, found the end"),
        ("dog -", "column 6: expected words, a picture or an item after -, found the end"),
        ("dog + - cat", 'column 7: expected words, a picture or an item after +, found "-"'),
        ("dog + year > 3", 'column 7: expected words, a picture or an item after +, found "year"'),
        ("dog AND - cat", 'column 9: expected words, a picture, an item or a filter, found "-"'),
        ("tag:a AND + dog", 'column 11: expected words, a picture, an item or a filter, found "+"'),
        ("dog AND", "column 8: expected a term or a filter after AND, found the end"),
        ("NOT NOT dog", 'column 9: expected a filter after NOT NOT, found "dog"'),
        ("OR tag:a", 'column 1: expected a term or a filter first, found "OR"'),
        ('say "hi', 'column 5: expected a closing " for the one here, found the end'),
        ('dog ""', "column 5: expected words between the quotes, found nothing"),
        ("0:dog", 'column 1: expected a weight above 0, found "0"'),
        ("dog + 2:", "column 9: expected words, a picture or an item after the weight, found the end"),
        ("NOT 2:dog", "column 5: expected no weight after NOT, which excludes altogether, found 2"),
        ('"0:dog"', 'column 2: expected a weight above 0, found "0"'),
        ("dog NOT", "column 8: expected words, a picture, an item or a filter after NOT, found the end"),
        (
            "(NOT tag:a NOT dog)",
            "column 16: expected a filter such as year >= 2020 within ( ) (a text with parentheses "
            'goes in quotes), found "dog"',
        ),
        ("()", 'column 2: expected a filter, found ")"'),
        ("(tag:a OR)", 'column 10: expected a filter, found ")"'),
        ("#9223372036854775808", 'column 1: expected an item id below 2^63, found "#9223372036854775808"'),
        ("year ~ 20", 'column 6: expected =, !=, <, <=, > or >= after year, found "~"'),
        ("taken > 2020-02-30", 'column 9: expected a date such as 2020-05-01 after >, found "2020-02-30"'),
        ("taken > 2020-W01-1", 'column 9: expected a date such as 2020-05-01 after >, found "2020-W01-1"'),
        (
            "camera = Canon EOS 5D",
            'column 10: expected quotes around a value of several words, as in camera = "Canon EOS 5D" '
            '(or AND before words to look for: camera = "Canon" AND EOS 5D), found "Canon EOS 5D"',
        ),
        (
            "dog camera != Canon EOS year > 2020",
            'column 15: expected quotes around a value of several words, as in dog camera != "Canon EOS" year > 2020 '
            '(or AND before words to look for: dog camera != "Canon" AND EOS year > 2020), found "Canon EOS"',
        ),
        (
            "(lens ~ 35 mm)",
            'column 9: expected quotes around a value of several words, as in (lens ~ "35 mm"), found "35 mm"',
        ),
        ("near(95, 2, 3km)", 'column 6: expected a latitude from -90 to 90, found "95"'),
        ("near(5,  east, 3km)", 'column 10: expected a longitude from -180 to 180, found "east"'),
        ("near(5, 2, 3)", 'column 12: expected a distance such as 20km, 500m or 5mi, found "3"'),
        ("near(5, 181, 3km)", 'column 9: expected a longitude from -180 to 180, found "181"'),
        ("near(5, 2, -1km)", 'column 12: expected a distance such as 20km, 500m or 5mi, found "-1km"'),
        ("near(5, 2)", "column 6: expected three values, as in near(48.85, 2.35, 20km), found 2"),
        ("near(5, 2, 3km", "column 15: expected a closing ) after near(, found the end"),
        ("has(caption", "column 12: expected a closing ), found the end"),
        ("has(caption tag)", 'column 13: expected a closing ), found "tag"'),
        ("has()", 'column 5: expected the name of a field, as in has(caption), found ")"'),
        ("(tag:a", "column 7: expected a closing ), found the end"),
        ("tag:a)", 'column 6: expected no ) without its (, found ")"'),
        (
            "tag: family",
            'column 6: expected a value right after tag: (a text with tag: goes in quotes), found "family"',
        ),
        (
            "a man (smiling)",
            "column 8: expected a filter such as year >= 2020 within ( ) (a text with parentheses goes in quotes), "
            'found "smiling"',
        ),
        (
            "dog -people",
            "column 5: expected a space after - or NOT before a filter (a text that starts so goes in quotes), "
            'found "-people"',
        ),
        (
            "dog year = 2020 OR tag:a",
            "column 17: expected OR between filters only, in parentheses beside words, as in "
            'dog (year = 2020 OR tag:family), found "OR"',
        ),
        ("2020 <= year", 'column 1: expected a field before <= (a text with <= goes in quotes), found "2020"'),
        ("dog\ud83d", "column 4: expected Unicode text, found half of a character"),
        ("a" * 4001, "column 4001: expected at most 4,000 characters, found 4,001"),
        ("(" * 9 + "tag:a" + ")" * 9, "column 10: expected at most 8 levels of ( ) and NOT, found one more"),
        ("a + " * 100 + "b", "column 401: expected at most 100 terms and conditions, found one more"),
        ("year > " + "b" * 30, f'column 8: expected a number after >, found "{"b" * 30}"'),
        ("year > " + "b" * 31, f'column 8: expected a number after >, found "{"b" * 30}…"'),
        ("year > a\u2028b" + "c" * 40, 'column 8: expected a number after >, found "a"'),
    ],
)
def test_an_error_names_the_column_and_what_was_expected(written, message):
    with pytest.raises(BadInput) as error:
        parse(written)
    assert str(error.value) == f"query, {message}"


@pytest.mark.parametrize(
    "written",
    ["a" * LENGTH, "a + " * 99 + "b", "(" * 8 + "tag:a" + ")" * 8, "#9223372036854775807", "NOT " * 8 + "tag:a"],
)
def test_what_is_just_within_a_bound_is_read(written):
    assert parse(written).text == written


@pytest.mark.parametrize(
    ("field", "unit", "worth"),
    [
        *(("size", unit, 1000**power) for power, unit in enumerate(["", "kb", "mb", "gb", "tb"])),
        *(("size", unit, 1024**power) for power, unit in enumerate(["kib", "mib", "gib", "tib"], 1)),
        *((field, unit, 1) for field in ("width", "height") for unit in ("", "px", "pixels")),
    ],
)
def test_units_are_worth_what_they_are_everywhere(field, unit, worth):
    for written in (f"{field} < 1.5{unit}", f"{field} < 1.5 {unit.upper()}"):
        assert parse(written).where == Comparison(Field(field), "<", 1.5 * worth)
    with pytest.raises(BadInput, match="expected a number after <"):
        parse(f"year < 1.5{unit or 'mb'}")


def test_a_distance_has_three_units():
    assert [parse(f"near(1, 2, 3{unit})").where.km for unit in ("km", "m", "mi")] == pytest.approx([3, 0.003, 4.828032])


def test_a_key_the_collection_has_not_is_refused_with_what_it_may_mean_else_with_all_there_are():
    assert parse("iso = 400 AND has(lens)", metadata=["iso", "lens"]).where is not None
    with pytest.raises(BadInput, match=r"query, column 5: .* found \"yaer\"; did you mean 'year'\?"):
        parse("dog yaer = 2020", metadata=["iso"])
    with pytest.raises(BadInput, match=r"column 5: .*did you mean 'iso'"):
        parse("has(isso)", metadata=["iso"])
    with pytest.raises(BadInput, match=r'found "date"; it is called taken here$'):
        parse("dog date > 2020", metadata=["iso"])
    assert parse("date > 2020", metadata=["date"]).where == Comparison(Field("date", True), ">", 2020.0)
    with pytest.raises(BadInput, match=r'found "rating"; there are: camera, [^\n]*, year, and no metadata$'):
        parse("rating >= 4", metadata=[])
    with pytest.raises(BadInput, match=r'found "qqqq"; there are: camera, [^\n]*, and the metadata odd key$'):
        parse("qqqq = 3", metadata=["odd\nkey"])
    for many, last in ((30, "k029"), (31, "k029, …"), (200, "k029, …")):
        with pytest.raises(BadInput, match=rf"metadata k000, [^\n]*{last}$"):
            parse("qqqq = 3", metadata=[f"k{number:03d}" for number in range(many)])
    with pytest.raises(BadInput, match=r'found "DateTime"; it is called taken here$'):
        parse("has(DateTime)", metadata=["iso"])
    with pytest.raises(BadInput, match=r'found "I"; there are: camera, '):
        parse("I = 3", metadata=["iso"])
    assert parse("iso = 3").where == parse("iso = 3", refuse=True).where


@pytest.mark.parametrize(("name", "column"), sorted(COLUMN_OF.items()))
def test_what_others_call_a_column_is_no_column_and_leads_to_one(name, column):
    assert name not in COLUMNS
    assert parse(column).where if "(" in column else column in COLUMNS


def test_metadata_compares_as_numbers_in_the_database():
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        register(connection)
        connection.execute("CREATE TABLE items (id)")
        connection.execute("CREATE TABLE metadata (item, key, value)")
        connection.executemany("INSERT INTO items VALUES (?)", [(1,), (2,)])
        connection.executemany("INSERT INTO metadata VALUES (?, 'iso', ?)", [(1, "90"), (2, 400)])
        condition, values = parse("iso < 100").where.sql()
        assert connection.execute(condition, values).fetchall() == [(1,)]


# ---------------------------------------------------------------------------------------------- every string, both ways

FRAGMENTS = (
    """
dog|two|in|t-shirt|2:30|2:cat|0.5:|+|-|-x|AND|AND|OR|NOT|NOT|(|)|near(|has(|,|48.85|20km|1e5|caption|year|month|K|\x00
é|ß|tag:|tag:a|camera|camera:|=|!=|<|<=|>|>=|==|~|!|./a.jpg|~/b|#12|#x|"|\\|iso|2020|2020-05-01|""|\u2028|"two words"
"2:dog"|near(1,2,3km)|has(tag)|year>=2020|(tag:a|(tag:a OR iso=3)|OR iso=3)|1:"2:x"|"./a b.png"|"#3"|"my key"|"AND" =
.jpg|..
""".strip()
    .replace("\n", "|")
    .split("|")
)


def check(written):
    """Whether it is a query. It reads back from its canonical form, or is refused in one line."""
    try:
        query = parse(written)
    except BadInput as error:
        assert str(error).startswith("query, column ")
        assert len(str(error).splitlines()) == 1
        return False
    again = parse(str(query))
    assert again == query
    assert str(again) == str(query)
    if query.where:
        query.where.passing(lambda sql, values: np.ones(1, dtype=bool))
    return True


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_string_is_a_query_that_reads_back_or_bad_input(written):
    check(written)


def test_any_mixture_of_the_pieces_is_a_query_that_reads_back_or_bad_input():
    rng = random.Random(0)
    good = sum(check(rng.choice(" \n ").join(rng.choices(FRAGMENTS, k=rng.randrange(1, 7)))) for _ in range(12_000))
    glued = sum(check("".join(rng.choices(FRAGMENTS, k=rng.randrange(1, 5)))) for _ in range(6_000))
    assert good > 2000
    assert glued > 500


terms_st = st.builds(
    Term,
    st.floats(1e-9, 1e9).flatmap(lambda weight: st.sampled_from([1.0, -1.0, weight, -weight])),
    st.just("text"),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).map(str.strip).filter(bool),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(terms_st, min_size=1, max_size=4))
def test_any_text_and_weight_can_be_written(terms):
    assert parse(str(language.Query(tuple(terms), (), None, ""))).terms == tuple(terms)


@pytest.mark.parametrize("value", ["x.jpg", "/etc/passwd", "./a b.png", "~/x", "2:dog.heic", "#12", "tag:x", "AND"])
def test_a_weight_before_the_quotes_makes_a_text_of_anything(value):
    for weight in ("1:", "2:", ".5:"):
        (term,) = parse(f'{weight}"{value}"').terms
        assert (term.kind, term.value, term.weight) == ("text", value, float(weight[:-1]))
        assert parse(str(term)).terms == (term,)
    for written in ('"x y.jpg"', '"2:x y.jpg"', "2:x.jpg", '"./x y"'):
        (term,) = parse(written).terms
        assert term.kind == "picture" and parse(str(term)).terms == (term,)


def test_the_canonical_form_is_readable():
    written = '  dog  + 2:"golden retriever" -./p.jpg'.replace("-.", "- .") + " year>=2020 tag:family NOT people"
    assert str(parse(written)) == (
        'dog + 2:golden retriever - ./p.jpg AND NOT people AND year >= 2020 AND tag = "family"'
    )


@pytest.mark.parametrize(
    "piece",
    [
        "a ",
        "2:",
        "(",
        "NOT ",
        '"',
        '"\\',
        "a=",
        "-",
        "near(",
        "./",
        ".jp",
        "1",
        "1.",
        "tag:",
        " ",
        '"a" ',
        "a AND ",
        "a+ ",
    ],
)
def test_the_longest_query_of_anything_is_read_in_few_steps(piece):
    called = 0

    def count(frame, event, argument):
        nonlocal called
        called += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        with contextlib.suppress(BadInput):
            parse((piece * LENGTH)[:LENGTH])
    finally:
        sys.setprofile(before)
    # Functions of Python and of C, a constant number for each character: one look back at all of them is 8 million.
    assert called <= 30 * LENGTH


# ------------------------------------------------------------------------------------------------------------------ SQL

SCHEMA = """
CREATE TABLE items(id INTEGER PRIMARY KEY, path TEXT, name TEXT, folder TEXT, size INTEGER, width INTEGER,
                   height INTEGER, taken TEXT, camera TEXT, lat REAL, lon REAL);
CREATE TABLE captions(item INTEGER, text TEXT);
CREATE TABLE tags(item INTEGER, tag TEXT);
CREATE TABLE metadata(item INTEGER, key TEXT, value);
"""
SCALARS = ("path", "name", "folder", "size", "width", "height", "taken", "camera", "lat", "lon")
WORDS = ["dog", "DOG", "Straße", "STRASSE", "x'; DROP TABLE items; --", "%", "a_b", "", "12", "Ünal", "ünal", "0"]
PLACES = [(48.85, 2.35), (51.5, -0.12), (-17.7, 179.9), (-17.8, -179.9), (89.9, 10.0), (89.9, -170.0), (0.0, 0.0)]
OPS = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "~": lambda value, part: part in value,
}


def collection(rows):
    connection = sqlite3.connect(":memory:")
    register(connection)
    connection.executescript(SCHEMA)
    for row in rows:
        connection.execute(f"INSERT INTO items VALUES (?{', ?' * 10})", (row["id"], *(row[name] for name in SCALARS)))
        connection.executemany("INSERT INTO captions VALUES (?, ?)", [(row["id"], value) for value in row["caption"]])
        connection.executemany("INSERT INTO tags VALUES (?, ?)", [(row["id"], value) for value in row["tag"]])
        connection.executemany("INSERT INTO metadata VALUES (?, ?, ?)", [(row["id"], k, v) for k, v in row["metadata"]])
    return connection


def selected(connection, where):
    ids = np.array([row[0] for row in connection.execute("SELECT id FROM items")], dtype=np.int64)

    def select(sql, values):
        return np.isin(ids, [row[0] for row in connection.execute(sql, values)])

    return set(ids[where.passing(select)].tolist())


def kilometres(a, b):
    """The angle between two places as vectors, by its tangent: nothing in common with the haversine."""
    (x, y, z), (u, v, w) = (
        (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))
        for lat, lon in (map(math.radians, place) for place in (a, b))
    )
    cross = math.hypot(y * w - z * v, z * u - x * w, x * v - y * u)
    return 6371.0088 * math.atan2(cross, x * u + y * v + z * w)


def values_of(field, row):
    if field.metadata:
        return [value for key, value in row["metadata"] if key == field.name]
    if field.name in ("year", "month"):
        part = slice(0, 4) if field.name == "year" else slice(5, 7)
        return [] if row["taken"] is None else [int(row["taken"][part])]
    value = row[field.name]
    return value if isinstance(value, list) else [] if value is None else [value]


def number(value):
    try:
        return float(value)
    except ValueError:
        return None


def holds(where, row):
    """What a filter means, in plain Python."""
    match where:
        case AllOf(parts):
            return all(holds(part, row) for part in parts)
        case AnyOf(parts):
            return any(holds(part, row) for part in parts)
        case Not(part):
            return not holds(part, row)
        case Has(field):
            return bool(values_of(field, row))
        case Near(lat, lon, km):
            return row["lat"] is not None and kilometres((row["lat"], row["lon"]), (lat, lon)) <= km
        case Comparison(field, "!=", value):
            return holds(Has(field), row) and not holds(Comparison(field, "=", value), row)
        case Comparison(field, op, float(value)):
            numbers = [number(found) for found in values_of(field, row)]
            return any(found is not None and OPS[op](found, value) for found in numbers)
        case Comparison(field, op, value) if field.name == "taken":
            return any(OPS[op](found[: len(value)], value) for found in values_of(field, row))
        case Comparison(field, op, value):
            return any(OPS[op](found.casefold(), value.casefold()) for found in values_of(field, row))
    raise AssertionError(where)


words = st.sampled_from(WORDS)
small = st.integers(0, 4)
dates = st.sampled_from(["2019-12-31T23:59:59", "2020-01-01T00:00:00", "2020-05-01T10:30:00", "2021-05-02T00:00:00"])
keys = st.sampled_from(["iso", "shot by", "year", "'"])


def row_of(place, **values):
    return {**values, "lat": place and place[0], "lon": place and place[1]}


rows_st = st.lists(
    st.builds(
        row_of,
        place=st.none() | st.sampled_from(PLACES),
        path=words,
        name=words,
        folder=words,
        size=small,
        width=st.none() | small,
        height=st.none() | small,
        taken=st.none() | dates,
        camera=st.none() | words,
        caption=st.lists(words, max_size=2),
        tag=st.lists(words, max_size=3),
        metadata=st.lists(st.tuples(keys, words | small.map(str)), max_size=3),
    ),
    max_size=6,
).map(lambda rows: [{**row, "id": number} for number, row in enumerate(rows, 1)])

ordered = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
named = {kind: [Field(name) for name, column in COLUMNS.items() if column.holds == kind] for kind in ("number", "text")}
metadata_fields = st.builds(Field, keys, st.just(True))
leaves = st.one_of(
    st.builds(
        Comparison, st.sampled_from(named["number"]), ordered, small.map(float) | st.sampled_from([2020.0, 48.85])
    ),
    st.builds(Comparison, st.sampled_from(named["text"]) | metadata_fields, ordered | st.just("~"), words),
    st.builds(Comparison, metadata_fields, ordered, small.map(float) | st.just(12.0)),
    st.builds(
        Comparison,
        st.just(Field("taken")),
        ordered,
        st.sampled_from(["2020", "2020-05", "2020-01-01", "2020-05-01T10:30", "2020-05-01T10:30:00"]),
    ),
    st.builds(Has, st.sampled_from([Field(name) for name in COLUMNS]) | metadata_fields),
    st.builds(
        lambda place, km: Near(*place, km), st.sampled_from(PLACES), st.sampled_from([1.0, 40.0, 500.0, 15e3, 21e3])
    ),
)
filters_st = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(Not),
        st.tuples(st.sampled_from([AllOf, AnyOf]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda made: flat(made[0], made[1])
        ),
    ),
    max_leaves=5,
)


@settings(max_examples=250, deadline=None)
@given(rows_st, st.lists(filters_st, min_size=1, max_size=4))
def test_sql_selects_what_the_filter_means(rows, filters):
    connection = collection(rows)
    for where in filters:
        read_back = parse(str(where)).where
        assert read_back == where
        assert selected(connection, read_back) == {row["id"] for row in rows if holds(where, row)}
    connection.close()


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), st.text(st.characters(codec="utf-8"), max_size=20)
)
def test_what_a_person_writes_never_enters_the_sql(key, value):
    where = parse(str(AllOf((Comparison(Field(key, True), "=", value), tagged(value), Has(Field(key, True)))))).where
    plain = AllOf((Comparison(Field("k", True), "=", "v"), tagged("v"), Has(Field("k", True))))
    assert [part.sql()[0] for part in where.parts] == [part.sql()[0] for part in plain.parts]
    connection = collection([])
    connection.execute("INSERT INTO items(id) VALUES (1), (2)")
    connection.execute("INSERT INTO metadata VALUES (1, ?, ?)", (key, value))
    connection.execute("INSERT INTO tags VALUES (1, ?)", (value.upper(),))
    folds_back = value.upper().casefold() == value.casefold()
    assert selected(connection, where) == ({1} if folds_back else set())
    connection.close()


def test_every_column_is_found_in_its_place():
    row = {"path": "/a/b.jpg", "name": "b.jpg", "folder": "/a", "size": 2_000_000, "width": 640, "height": 480}
    row |= {"id": 7, "taken": "2021-03-04T05:06:07", "camera": "X100V", "lat": 1.5, "lon": -2.5}
    row |= {"caption": ["a cat"], "tag": ["x"], "metadata": []}
    connection = collection([row])
    connection.execute("INSERT INTO items(id, taken) VALUES (8, '2020-11-10T09:08:07')")
    true = """path = /A/B.JPG|name:b.jpg|folder = /a|size = 2MB|width = 640|height = 480|taken = 2021|taken = 2021-03
taken:2021-03-04|taken = 2021-03-04T05:06|taken = "2021-03-04 05:06:07"|year = 2021|month = 3|camera = x100v|lat = 1.5
lon = -2.5|caption = "A cat"|caption ~ CAT|tag:X|month < 11|year > 2020|taken > 2020-11-10|NOT taken <= 2020-11-10"""
    for written in true.replace("\n", "|").split("|"):
        assert selected(connection, parse(written).where) == {7}, written
    assert selected(connection, parse("month = 11").where) == {8}


def test_a_date_is_compared_as_far_as_it_is_known():
    connection = collection([])
    dates = {1: "2020", 2: "2020-05", 3: "2020-05-01", 4: "2020-05-01T10:30"}
    connection.executemany("INSERT INTO items(id, taken) VALUES (?, ?)", dates.items())
    for written, found in {
        "year = 2020": {1, 2, 3, 4},
        "month = 5": {2, 3, 4},
        "month < 12": {2, 3, 4},
        "has(month)": {2, 3, 4},
        "taken = 2020": {1, 2, 3, 4},
        "taken > 2019-12": {1, 2, 3, 4},
        "taken < 2021-01-01": {1, 2, 3, 4},
        "taken = 2020-05": {2, 3, 4},
        "taken < 2020-06": {2, 3, 4},
        "taken >= 2020-05": {2, 3, 4},
        "taken = 2020-05-01": {3, 4},
        "taken <= 2020-05-01": {3, 4},
        "taken > 2020-04-30": {2, 3, 4},
        "taken = 2020-05-01T10:30": {4},
        "taken < 2020-05-01T12:00": {4},
    }.items():
        assert selected(connection, parse(written).where) == found, written


def test_accents_compare_equal_however_they_are_composed():
    row = dict.fromkeys(SCALARS) | {"id": 1, "name": "cafe\u0301.JPG", "caption": [], "tag": [], "metadata": []}
    connection = collection([row])
    assert selected(connection, parse("name = CAF\u00c9.jpg").where) == {1}
    assert selected(connection, parse("name ~ caf\u00e9").where) == {1}
    assert selected(connection, parse("name ~ cafe").where) == set()


def test_metadata_of_any_storage_class_compares():
    connection = sqlite3.connect(":memory:")
    register(connection)
    connection.executescript("CREATE TABLE items(id INTEGER PRIMARY KEY); CREATE TABLE metadata(item, key, value);")
    connection.execute("INSERT INTO items VALUES (1), (2), (3), (4), (5), (6)")
    values = [(1, 400), (2, " 4e2 "), (3, 400.5), (4, "400mm"), (5, b"400"), (6, None)]
    connection.executemany("INSERT INTO metadata VALUES (?, 'iso', ?)", values)
    assert selected(connection, parse("iso = 400").where) == {1, 2}
    assert selected(connection, parse("iso > 400").where) == {3}
    assert selected(connection, parse("iso != 400").where) == {3, 4, 5}
    assert selected(connection, parse('iso = "400"').where) == {1}
    assert selected(connection, parse("NOT has(iso)").where) == {6}


def test_years_numbers_and_texts_at_the_edges_of_their_ranges():
    taken = [
        "2019-12-31T23",
        "2020-01-01T00",
        "2020-12-31T23",
        "2021",
        "9999-12-31",
        "0099-01-01",
        "20x",
        "abc",
        "",
        None,
    ]
    rows = [dict.fromkeys(SCALARS) | {"id": id, "taken": at} for id, at in enumerate(taken)]
    names = ["K2\u212a", "a\0\u00c4", "A_B%", "axb", "STRASSE", "stra\u00dfe"]
    rows += [dict.fromkeys(SCALARS) | {"id": 20 + id, "name": name} for id, name in enumerate(names)]
    numbers = [2**53 + 1, 3, 3.0, "3", " 3e0 ", "x", "", -1e300, "-5"]
    words = {"caption": [], "tag": [], "metadata": []}
    connection = collection([row | words for row in rows])
    connection.executemany("INSERT INTO metadata VALUES (?, 'n', ?)", enumerate(numbers))
    true = {
        "year = 2020": {1, 2},
        "year >= 2020": {1, 2, 3, 4},
        "year > 2020": {3, 4},
        "year = 9999": {4},
        "year < 2020": {0, 5, 6, 7, 8},
        "year != 2020": {0, 3, 4, 5, 6, 7, 8},
        "year = 99": {5},
        "year = 20": {6},
        "taken <= 2020": {0, 1, 2, 5, 8},
        "taken > 2020": {3, 4, 6, 7},
        "name ~ k2k": {20},
        "name ~ \u00e4": {21},
        "name ~ a_b%": {22},
        'name ~ "%"': {22},
        "name = strasse": {24, 25},
        "n = 3": {1, 2, 3, 4},
        "n > 3": {0},
        "n < 3": {7, 8},
        "n <= -5": {7, 8},
        "n = 9007199254740993": {0},
        'n = "3"': {1, 3},
        "n ~ 3": {0, 1, 2, 3, 4, 7},
    }
    for written, ids in true.items():
        assert selected(connection, parse(written).where) == ids, written


def test_the_largest_query_runs():
    connection = collection([])
    for joint in (" AND ", " OR "):
        where = parse(joint.join(f"NOT near({i % 90}, {i}, 9km)" for i in range(100))).where
        assert selected(connection, where) == set()
    assert selected(connection, parse("NOT (" * 4 + "iso != 3" + ")" * 4).where) == set()


# ----------------------------------------------------------------------------------------------------------------- near


def test_distance_equals_known_ones():
    assert great_circle_km(48.8566, 2.3522, 51.5074, -0.1278) == pytest.approx(343.56, abs=0.01)
    assert great_circle_km(0, 0, 0, 180) == pytest.approx(math.pi * 6371.0088)
    assert great_circle_km(90, 50, -90, -10) == pytest.approx(math.pi * 6371.0088)
    assert great_circle_km(0, 179.5, 0, -179.5) == pytest.approx(math.radians(1) * 6371.0088)
    assert great_circle_km(None, 2.0, 1.0, 1.0) is None


def test_near_finds_what_the_distance_says_everywhere_on_earth():
    rng = random.Random(0)
    # Places of special trouble among evenly scattered ones: both poles, both sides of the date line, close to each.
    places = [
        (lat, lon) for lat in (-90, -89.99, -60, 0, 0.001, 60, 89.99, 90) for lon in (-180, -179.99, 0, 179.99, 180)
    ]
    places += [(math.degrees(math.asin(rng.uniform(-1, 1))), rng.uniform(-180, 180)) for _ in range(400)]
    connection = sqlite3.connect(":memory:")
    register(connection)
    connection.execute("CREATE TABLE items(id INTEGER PRIMARY KEY, lat REAL, lon REAL)")
    connection.executemany("INSERT INTO items VALUES (?, ?, ?)", [(i, *place) for i, place in enumerate(places)])
    connection.execute("INSERT INTO items VALUES (-1, NULL, NULL)")
    found_some = 0
    for lat, lon in [*places[:40], *rng.sample(places, 40)]:
        distances = [kilometres(place, (lat, lon)) for place in places]
        for km in (0.0, 2.0, 150.0, 3000.0, 10007.0, 17000.0, 20015.0, 30000.0):
            found = selected(connection, Near(lat, lon, km))
            assert {i for i, d in enumerate(distances) if d < km - 1e-3} <= found
            assert found <= {i for i, d in enumerate(distances) if d <= km + 1e-3}
            found_some += len(found)
    assert found_some > 10_000


def test_near_reaches_the_very_edge_of_its_circle():
    """Items put exactly at the radius, all round: the box cuts none of them off."""
    for lat, lon in ((0, 180), (60, -179.9), (-89, 10), (45, 0), (89.999, 90)):
        for km in (0.01, 10, 2000):
            connection = sqlite3.connect(":memory:")
            register(connection)
            connection.execute("CREATE TABLE items(id INTEGER PRIMARY KEY, lat REAL, lon REAL)")
            angle, up = km / 6371.0088, math.radians(lat)
            for bearing in range(360):
                b = math.radians(bearing)
                sine = math.sin(up) * math.cos(angle) + math.cos(up) * math.sin(angle) * math.cos(b)
                there = math.asin(max(-1.0, min(1.0, sine)))
                across = math.atan2(
                    math.sin(b) * math.sin(angle) * math.cos(up), math.cos(angle) - math.sin(up) * math.sin(there)
                )
                place = math.degrees(there), (lon + math.degrees(across) + 540) % 360 - 180
                connection.execute("INSERT INTO items(lat, lon) VALUES (?, ?)", place)
            inside = connection.execute("SELECT id FROM items WHERE diptych_km(lat, lon, ?, ?) <= ?", (lat, lon, km))
            assert selected(connection, Near(lat, lon, km)) == {row[0] for row in inside}
            assert len(selected(connection, Near(lat, lon, km * 1.0001))) == 360
            connection.close()


def test_the_fields_of_a_filter_are_all_it_asks_about():
    where = parse("(iso = 3 OR NOT (has(tag) year > 2)) NOT near(1, 2, 3km) tag:a").where
    assert list(language.fields(where)) == [Field("iso", True), Field("tag"), Field("year"), Field("tag")]
    assert list(language.fields(None)) == []


# -------------------------------------------------------------------------------------------------- what programs ask


@pytest.mark.parametrize(
    ("thing", "kind", "value"),
    [
        ("2:dog", "text", "2:dog"),
        (Path("a/b"), "picture", "a/b"),
        (0, "item", "0"),
        (np.int8(7), "item", "7"),
        (2**63 - 1, "item", str(2**63 - 1)),
        ([1, 2], "vector", ""),
        (np.array([0.5], np.float16), "vector", ""),
        (np.zeros((1, 1, 3), np.uint8), "open picture", ""),
        (Image.new("L", (2, 2)), "open picture", ""),
    ],
)
def test_what_a_program_looks_for_becomes_a_term(thing, kind, value):
    term = Term.of(thing, 2)
    assert (term.weight, term.kind, term.value) == (2.0, kind, value) and type(term.weight) is float
    assert str(term) == ("2:<" + kind + ">" if term.data is not None else str(Term(2.0, kind, value)))
    assert (term.data is None) == (kind in ("text", "picture", "item"))
    assert term == Term.of(thing, 2) and "data" not in repr(term)


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        *((thing, "give a text, a picture, an id or a vector") for thing in (None, True, -1, 2**63, 1.5, b"x", {})),
        (np.zeros((2, 2)), r"array of shape \(2, 2\) of float64 .*give a vector \(d,\) or pixels"),
        (np.zeros((2, 2, 3)), "of float64 .*pixels"),
        (np.zeros((2, 2, 4), np.uint8), r"\(2, 2, 4\) of uint8 .*pixels"),
        (np.zeros((0, 2, 3), np.uint8), "pixels"),
        (np.zeros(3, bool), "of bool .*give a vector"),
        (np.zeros(2, complex), "of complex128"),
        ([], r"shape \(0,\)"),
        (["a"], "give a vector"),
        ([[1, 2], [3]], "of object .*give a vector"),
    ],
)
def test_what_nobody_can_look_for_is_refused_with_what_can_be(thing, why):
    with pytest.raises(BadInput, match=f"is nothing to look for; .*{why}" if why.startswith("give") else why):
        Term.of(thing)


@pytest.mark.parametrize("weight", [0, 0.0, True, math.inf, -math.inf, math.nan, "2", None])
def test_a_weight_is_a_number_that_is_not_0(weight):
    with pytest.raises(BadInput, match=r"^weight: .*; give a number that is not 0$"):
        Term.of("dog", weight)


# ----------------------------------------------------------------------------------------------------------------- docs


def test_every_name_that_is_promised_is_there():
    there: dict[str, object] = {}
    exec("from diptych.collection.query import *", there)
    assert set(language.__all__) == there.keys() - {"__builtins__"}


def test_every_column_holds_what_the_page_says():
    page = (Path(__file__).parents[3] / "docs/reference/query-language.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| (?:a )?(number|date|text)s? \|", page, re.MULTILINE)
    said = {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names)}
    assert said == {name: column.holds for name, column in COLUMNS.items()}


def test_every_example_of_the_page_is_what_it_says():
    page = (Path(__file__).parents[3] / "docs/reference/query-language.md").read_text(encoding="utf-8")
    examples = [line for block in re.findall(r"```query\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(examples) > 20
    for line in examples:
        written, _, meaning = line.partition("   ")
        if meaning.strip().startswith("query, column"):
            with pytest.raises(BadInput) as error:
                parse(written)
            assert str(error.value) == meaning.strip()
        else:
            parse(written)
    for name in COLUMNS:
        assert f"`{name}`" in page
    for limit in (f"{LENGTH:,} characters", f"{language.PARTS} terms and conditions", f"{language.DEPTH} levels"):
        assert limit in page


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("tags:family", "tag:family"),
        ("dog date:2020-05", "taken:2020-05"),
        ("filename:x.jpg", "name:x.jpg"),
        ("gps:48.85", "near(48.85, 2.35, 20km)"),
    ],
)
def test_a_column_by_the_name_that_others_give_it_is_no_text(written, wanted):
    with pytest.raises(BadInput, match=re.escape(f"expected {wanted} (a text with ")):
        parse(written, metadata={"iso"})


@pytest.mark.parametrize("written", ["title: the dog", "note:x", '"tags:family"', "at 2:30"])
def test_words_with_a_colon_stay_words(written):
    (term,) = parse(written, metadata={"iso"}).terms
    assert term.value == written.strip('"')


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("date:2020", "date = 2020"),  # and not what others call a column
        ("album:sea", "album = sea"),
        ('album:"the sea"', 'album = "the sea"'),
        ("red album:sea -0", None),
        ("NOT album:sea", "NOT album = sea"),
        ("(album:sea OR tag:x)", "album = sea OR tag = x"),
        ("Tag:x", "tag = x"),
    ],
)
def test_a_name_of_metadata_stands_before_a_colon_like_a_column(written, same):
    names = {"date", "album", "tag", "two words", "2"}
    if same is None:
        with pytest.raises(BadInput, match="a space after -"):
            parse(written, metadata=names)
    else:
        assert parse(written, metadata=names) == parse(same, metadata=names)


@pytest.mark.parametrize("written", ["album: the sea", "2:30", "other:sea", "album :sea", '"album:sea"'])
def test_what_only_looks_like_metadata_with_a_colon_stays_words(written):
    found = parse(written, metadata={"album", "2"})
    assert found.where is None and [term.kind for term in found.terms] == ["text"]


def test_keys_that_are_not_there_may_be_taken_too():
    assert parse("album:sea colour = red", metadata={"album"}, refuse=False).where is not None
    with pytest.raises(BadInput, match=r"found \"colour\""):
        parse("album:sea colour = red", metadata={"album"})
