"""Whoever pastes what the pages show gets what they promise: nothing downloaded, no data set needed."""

from __future__ import annotations

import re
import shlex

import pytest

from diptych.app.cli import app


def lines(code: str) -> list[str]:
    return [line for line in (line.partition("#")[0].strip() for line in code.splitlines()) if line]


@pytest.mark.parametrize("name", ["README.md", "docs/tutorials/first-numbers.md"])
def test_the_snippets_of_the_page_run_one_after_another(name, root, blocks, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIPTYCH_DATA", raising=False)
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    ran: list[str] = []
    for language, code in blocks(root / name):
        if language == "python":
            exec(compile(code, name, "exec"), {"__name__": "__main__"})
            ran.append("python")
            assert capsys.readouterr().out.strip()
        elif language == "sh":
            for line in lines(code):
                program, *arguments = shlex.split(line)
                assert program in ("diptych", "make"), f"{name}: {line}"
                if program == "diptych":
                    app(arguments, standalone_mode=False)
                    ran.append(arguments[0])
                    assert capsys.readouterr().out.strip(), line
    assert {"python", "evaluate", "compare"} <= set(ran)
    assert (tmp_path / "results" / "cca" / "report.html").stat().st_size > 10_000


def test_the_targets_that_pages_name_are_in_the_makefile(root, generate):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    pages = "\n".join(page.read_text(encoding="utf-8") for page in generate.pages())
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", pages, re.MULTILINE))
    assert named and named <= targets
    assert {"demo", "test", "bench", "reproduce", "docs", "clean"} <= targets
    assert "PICTURES" in makefile


def test_every_target_tells_what_it_is_for(root):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split()
    assert {name for name in phony if not re.search(rf"^#.* make {name}\b", makefile, re.MULTILINE)} == set()


def test_the_first_page_counts_what_there_is(root):
    from diptych import catalogue
    from diptych.features import composition
    from diptych.features.feature import Step

    extractors = [name for name in composition.names() if not issubclass(composition.named(name), Step)]
    page = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    told = re.search(r"(\d+) methods, (\d+) datasets and your own, (\d+) features", page)
    counts = [len(catalogue.methods()), len(catalogue.datasets()), len(extractors)]
    assert [int(number) for number in told.groups()] == counts
