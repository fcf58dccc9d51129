from diptych.sources.metadata.about import MAX_WORDS, About, joined


def test_every_word_of_every_source_comes_once_and_in_order():
    found = joined([About(("A boat", "b"), ("x ", "y")), About(("A  boat\n", " "), (" x", "z", ""))])
    assert (found.captions, found.tags) == (("A boat", "b"), ("x", "y", "z"))


def test_the_first_source_that_knows_a_fact_is_believed_and_a_place_is_of_one_source():
    found = joined([About(lat=1.0), About(camera="A" * 200, lat=2.0, lon=3.0), About(camera="B", lat=4.0, lon=5.0)])
    assert (found.camera, found.lat, found.lon) == ("A" * 100, 2.0, 3.0)


def test_when_it_was_taken_goes_before_when_it_was_scanned():
    scanned = About(digitised="2020-05-01T12:00:00")
    assert joined([scanned]).taken == "2020-05-01T12:00:00"
    assert joined([scanned, About(taken="1988-12-01")]).taken == "1988-12-01"


def test_a_time_of_the_same_day_is_taken_along():
    day, time, other = About(taken="2020-05-01"), About(taken="2020-05-01T12:00:00"), About(taken="2020-05-02T09:00:00")
    assert joined([day, other, time]).taken == "2020-05-01T12:00:00"
    assert joined([day, other]).taken == "2020-05-01"


def test_all_notes_are_told_and_too_many_words_are_one():
    found = joined([About(notes=("one",)), About(tags=tuple(map(str, range(MAX_WORDS + 1))), notes=("two", "one"))])
    assert len(found.tags) == MAX_WORDS
    assert found.notes == ("one", "two", "words left out: more than 10,000 captions or tags")


def test_as_many_words_as_may_be_are_all_kept_without_a_note():
    words = tuple(map(str, range(10_000)))
    found = joined([About(captions=words[:5_000]), About(captions=words[5_000:], tags=words)])
    assert (found.captions, found.tags, found.notes) == (words, words, ())
    found = joined([About(captions=(*words, "more"))])
    assert found.captions == words and found.notes == ("words left out: more than 10,000 captions or tags",)
