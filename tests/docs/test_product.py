"""The product of the tutorial: it runs as it stands, it is short, and it keeps what it was told."""

from __future__ import annotations

import pytest

from diptych.collection import Collection

PAGE = "docs/tutorials/a-product.md"


def test_the_product_runs_in_forty_lines_and_keeps_what_customers_said(root, blocks, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = [text for language, text in blocks(root / PAGE) if language == "python"]
    assert len([line for line in code[0].splitlines() if line.strip()]) <= 40
    names: dict[str, object] = {}
    for text in code:
        exec(compile(text, PAGE, "exec"), names)
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "27 goods, 27 vectors brought to unit length"
    assert told[1] == "18 pass; the first 3:"
    first = "https://shop.example/mug?colour=red&size=1"
    assert told[2].split() == ["1.00", first, "5.00", "a", "red", "mug"]
    assert told[5] == "colours: {'white': 18, 'blue': 6, 'green': 6, 'red': 6}"
    assert told[6] == "prices: [(5.0, 9), (7.5, 9)]"
    assert first not in told[7] and "mug?colour=red&size=2" in told[7]
    assert told[8] == "['customer 7'] {'sale': 9}"
    with Collection.open("shop") as shop:
        item = shop.get(first)
        assert item.metadata["liked_by"] == ["customer 7"] and item.metadata["price"] == 5
        assert shop.search(names["embed"]("red", "mug"), k=1).results[0].score == pytest.approx(1)
        assert shop.verify() == []
