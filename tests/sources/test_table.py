import csv
import sys

import pytest

from diptych.kinds import BadInput
from diptych.sources import table


@pytest.mark.parametrize(("ending", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_a_table_reads_as_the_csv_module_wrote_it(tmp_path, ending, delimiter):
    path = tmp_path / f"mine{ending}"
    texts = ['a "dog", red', "two\nlines", "tab\there", "either|or"]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["caption", "image", "labels", "price"])
        writer.writerows([text, f"{i}.jpg", "dog|big dog", 3] for i, text in enumerate(texts))
    found = table.rows(path)
    assert [row.texts for row in found] == [(text,) for text in texts]
    assert [row.image for row in found] == [f"{i}.jpg" for i in range(4)]
    assert found[0].labels == ("dog", "big dog")


def test_several_captions_in_one_cell(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("image,captions\na.jpg,one | two\n", encoding="utf-8")
    assert table.rows(path)[0].texts == ("one", "two")


@pytest.mark.parametrize("line", ["a.jpg,a dog, red,train", "a.jpg"])
def test_unequal_columns_name_file_and_line(tmp_path, line):
    path = tmp_path / "mine.csv"
    path.write_text(f"image,caption,split\nok.jpg,ok,train\n{line}\n", encoding="utf-8")
    with pytest.raises(BadInput, match=rf"mine\.csv, line 3: {line.count(',') + 1} cells under a header of 3"):
        table.rows(path)


def test_an_open_quote_names_file_and_line(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text('image,caption\na.jpg,"a dog\n', encoding="utf-8")
    with pytest.raises(BadInput, match="line 2: not a table"):
        table.rows(path)


def test_parquet_with_lists_and_with_strings(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    lists = {"image": ["a.jpg", "b.jpg"], "captions": [["one", "two"], []], "labels": [["x"], ["y", "x"]]}
    parquet.write_table(pyarrow.table(lists | {"pixels": [b"", b""]}), tmp_path / "lists.parquet")
    strings = {"image": ["a.jpg", "b.jpg"], "captions": ["one|two", None], "labels": ["x", "y|x"]}
    parquet.write_table(pyarrow.table(strings), tmp_path / "strings.parquet")
    for name in ("lists", "strings"):
        first, second = table.rows(tmp_path / f"{name}.parquet")
        assert (first.texts, first.labels) == (("one", "two"), ("x",))
        assert (second.texts, second.labels) == ((), ("y", "x"))
        assert second.where.endswith(f"{name}.parquet, row 2")


def test_what_is_no_parquet_file_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "mine.parquet"
    path.write_text("image,caption\n")
    with pytest.raises(BadInput, match=r"mine\.parquet: not a parquet file"):
        table.rows(path)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadInput, match=r"pip install 'diptych\[parquet\]'"):
        table.rows(tmp_path / "mine.parquet")


def test_endings_may_be_in_capitals_and_blank_lines_and_an_empty_file_are_nothing(tmp_path):
    path = tmp_path / "mine.TSV"
    path.write_text("\ufeffimage\tcaption\n\na.jpg\ta dog\n\n", encoding="utf-8")
    (row,) = table.rows(path)
    assert (row.image, row.texts, row.where) == ("a.jpg", ("a dog",), f"{path}, line 3")
    (tmp_path / "none.CSV").touch()
    assert table.rows(tmp_path / "none.CSV") == []
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"image": ["a.jpg"], "text": ["a"], "split": ["test"]}), tmp_path / "a.PARQUET")
    (row,) = table.rows(tmp_path / "a.PARQUET")
    assert (row.texts, row.split, row.labels, row.where) == (("a",), "test", None, f"{tmp_path / 'a.PARQUET'}, row 1")


def test_another_encoding_is_named_with_the_place(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(b"image,caption\na.jpg,\xe9\n")
    with pytest.raises(BadInput, match=r"mine\.csv: not UTF-8 \(.* at byte \d+\); save it as UTF-8"):
        table.rows(path)


def test_a_column_of_parquet_that_nobody_asks_for_need_not_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    nanosecond = pyarrow.array([1], pyarrow.timestamp("ns"))  # finer than Python knows
    told = pyarrow.table({"image": ["a.jpg"], "caption": ["a"], "at": nanosecond})
    parquet.write_table(told, tmp_path / "a.parquet")
    with pytest.raises(ValueError):
        nanosecond.to_pylist()
    assert [row.texts for row in table.rows(tmp_path / "a.parquet")] == [("a",)]
