"""What a change touches: by the path that a test mirrors, by imports, and by the names of methods."""

import check
import pytest
import reach

ROOT = reach.ROOT


def touched(file: str) -> tuple[set[str], set[str]]:
    tests, methods = check.touched([ROOT / file])
    return {test.relative_to(ROOT / "tests").as_posix() for test in tests}, methods


def test_a_method_touches_its_tests_its_cases_of_the_contract_and_the_lists_of_methods():
    tests, methods = touched("src/diptych/methods/deep/acmr.py")
    assert methods == {"acmr"}
    assert {"methods/deep/test_acmr.py", "docs/test_docs.py", "docs/test_reproductions.py", "test_imports.py"} <= tests
    assert not {"methods/test_contract.py", "methods/subspace/test_cca.py", "app/test_cli.py"} & tests


def test_a_part_touches_the_methods_that_name_it_through_its_package():
    tests, methods = touched("src/diptych/parts/losses.py")
    assert {"acmr", "infonce"} <= methods and "cca" not in methods
    assert {"parts/test_losses.py", "methods/towers/test_infonce.py", "test_descent.py"} <= tests
    assert "parts/test_kernels.py" not in tests


def test_the_nearest_tests_come_first():
    near = list(reach.guards("diptych.sources.shown").items())
    assert near[0] == (ROOT / "tests" / "sources" / "test_shown.py", reach.MIRRORS)
    assert [distance for _, distance in near] == sorted(distance for _, distance in near)
    assert reach.guards("diptych.sources.shown", reach.MIRRORS) == dict(near[:1])


@pytest.mark.parametrize(
    ("file", "test"),
    [
        ("tests/parts/test_walks.py", "parts/test_walks.py"),
        ("tests/methods/conftest.py", "methods/test_contract.py"),
        ("tests/metrics/metric_oracles.py", "metrics/test_measures.py"),
        ("docs/reference/metrics.md", "docs/test_docs.py"),
        ("README.md", "docs/test_readme.py"),
        ("reproductions/fashion.toml", "docs/test_reproductions.py"),
        ("bench/ann.py", "bench/test_bench.py"),
        ("src/diptych/app/sheet.html", "app/test_sheet.py"),
    ],
)
def test_what_is_no_module_touches_the_tests_of_its_place(file, test):
    assert test in touched(file)[0]


def test_what_a_child_process_is_told_to_import_counts():
    assert "diptych.app.cli" in reach.imported(ROOT / "tests" / "app" / "test_cli.py")
