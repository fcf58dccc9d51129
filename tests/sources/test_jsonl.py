import pytest

from diptych.kinds import BadInput
from diptych.sources import jsonl


def test_lines_become_rows_and_blank_lines_are_skipped(tmp_path):
    path = tmp_path / "train.jsonl"
    text = '\ufeff{"image": "a.jpg", "captions": ["é", "b"]}\n\n{"image": "b.jpg", "text": "c"}\n'
    path.write_text(text, encoding="utf-8")
    first, second = jsonl.rows(path)
    assert first.texts == ("é", "b")
    assert second.texts == ("c",)
    assert second.where.endswith("train.jsonl, line 3")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"image": "a.jpg",}', "line 2: not JSON"),
        ('["a.jpg", "a dog"]', "line 2: expected an object"),
        ('{"caption": "a dog"}', "line 2: `image` must be"),
        ('{"image": "a.jpg"}', "line 2: no texts"),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path, line, said):
    path = tmp_path / "train.jsonl"
    path.write_text(f'{{"image": "ok.jpg", "caption": "ok"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(BadInput) as error:
        jsonl.rows(path)
    assert f"{path}, {said}" in str(error.value)
    assert "\n" not in str(error.value)


def test_another_encoding_is_named(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_bytes('{"image": "a.jpg", "caption": "é"}'.encode("latin-1"))
    with pytest.raises(BadInput, match="not UTF-8"):
        jsonl.rows(path)


def test_what_a_line_holds_instead_is_shown_in_short(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(f'["{"x" * 100}"]\n')
    with pytest.raises(BadInput) as error:
        jsonl.rows(path)
    assert str(error.value) == f"{path}, line 1: expected an object {{…}}, found '[\"{'x' * 58}'"
    path.write_text("\n \n{]\n")
    with pytest.raises(BadInput, match=r"line 3: not JSON \(Expecting property name.* at column 2\); give one object"):
        jsonl.rows(path)
