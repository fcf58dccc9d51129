"""Commands that fit and measure: methods, datasets, evaluate, fit, compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from diptych.app.shell import JsonOption, app, print_json, print_line, print_note, progress
from diptych.kinds import BadInput, place

DatasetOption = Annotated[str, typer.Option("--dataset", "-d", help="A dataset's name, or your own folder or file.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="A hyper-parameter of the method, key=value; may be repeated.")
]
ImagesOption = Annotated[
    str, typer.Option("--image-features", help="How pictures become rows, e.g. efficientnetv2+mobilenetv2.")
]
TextsOption = Annotated[str, typer.Option("--text-features", help="How texts become rows, e.g. tfidf.")]
ProtocolOption = Annotated[
    str, typer.Option("--protocol", help="One of the dataset's protocols; its first by default.")
]
LanguageModelOption = Annotated[
    str,
    typer.Option(
        "--language-model", help="Of a scheme: oracle (of the postcards; oracle@noise=0.2), or http://HOST/v1#MODEL."
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]


@app.command()
def methods(as_json: JsonOption = False) -> None:
    """List the methods: family, what they need, their space, the paper."""
    from dataclasses import asdict

    from diptych import catalogue
    from diptych.app import tables

    facts = [catalogue.MethodFacts.of(name) for name in sorted([*catalogue.methods(), *catalogue.schemes()])]
    if as_json:
        print_json([asdict(fact) for fact in facts])
    else:
        tables.methods(facts)


@app.command()
def datasets(as_json: JsonOption = False) -> None:
    """List the datasets with the facts of their cards."""
    from diptych import catalogue
    from diptych.app import tables

    found = [catalogue.dataset(name) for name in catalogue.datasets()]
    if as_json:
        print_json([dataset.card.facts() | {"sought": [*dataset.sought]} for dataset in found])
    else:
        tables.datasets(found)


@app.command()
def evaluate(
    method: Annotated[
        str,
        typer.Argument(help="A method's name; or a fitted folder or a model as --model takes it, measured as it is."),
    ],
    dataset: DatasetOption,
    settings: SetOption = None,
    image_features: ImagesOption = "",
    text_features: TextsOption = "",
    split: Annotated[str, typer.Option("--split", help="Ask this split of itself, whatever the protocol says.")] = "",
    protocol: ProtocolOption = "",
    metrics: Annotated[str, typer.Option("--metrics", help="Measures, separated by commas, e.g. map@all,r@1.")] = "",
    ties: Annotated[
        str, typer.Option("--ties", help="Equal scores: expected, stable, optimistic or pessimistic.")
    ] = "expected",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write report.html, report.json, runs and qrels here.")
    ] = None,
    run_depth: Annotated[
        str, typer.Option("--run-depth", help="Answers a query in the runs of --out: a number, or all.")
    ] = "100",
    language_model: LanguageModelOption = "",
    encoder: Annotated[
        str,
        typer.Option("--encoder", help="Of a scheme: what encodes texts and pictures, as --model; mini by default."),
    ] = "",
    queries: Annotated[int, typer.Option("--queries", help="Of a scheme: so many queries, the first; 0 is all.")] = 0,
) -> None:
    """Fit a method on a dataset and measure it, or measure what was fitted or fetched, or a scheme."""
    from diptych import catalogue
    from diptych.app import tables
    from diptych.flow import evaluate as flow
    from diptych.flow import report

    if method in catalogue.schemes():
        theirs: dict[str, object] = {
            "--image-features": image_features,
            "--text-features": text_features,
            "--split": split,
        }
        theirs |= {"--metrics": metrics, "--out": out, "--ties": ties != "expected", "--run-depth": run_depth != "100"}
        if refused := [option for option, given in theirs.items() if given]:
            raise BadInput(f"{method} is a scheme: {', '.join(refused)} is for methods and encoders")
        _scheme(method, dataset, language_model, encoder, parsed(settings), protocol, queries, seed, as_json)
        return
    if language_model or queries or encoder:
        raise BadInput(f"--language-model, --encoder and --queries are for: {', '.join(catalogue.schemes())}")
    depth = None if run_depth == "all" else int(run_depth) if run_depth.isdecimal() else 0
    if depth == 0:
        raise BadInput(f"--run-depth {run_depth}: give a number of answers from 1, or all")
    if out is not None:
        report.writable(out)
    with progress() as on_progress:
        result = flow.evaluate(
            method,
            dataset,
            settings=parsed(settings),
            image_features=image_features,
            text_features=text_features,
            split=split,
            protocol=protocol,
            metrics=[name.strip() for name in metrics.split(",")] if metrics else flow.METRICS,
            ties=ties,
            seed=seed,
            progress=on_progress,
        )
    if out is not None:
        page = report.write(result, out, depth)
        print_note(f"wrote {page}")  # standard output holds the numbers alone
        if left := [f"{side}.qrels" for side in flow.DIRECTIONS if not (out / f"{side}.qrels").exists()]:
            told = "would have more than a million lines; --run-depth all writes them all the same"
            print_note(f"left out {' and '.join(left)}: {told}")
    if as_json:
        print_json(json.loads(result.report.to_json()))
    else:
        tables.numbers(result.report)


def _scheme(
    scheme: str,
    dataset: str,
    language_model: str,
    encoder: str,
    settings: dict[str, str],
    protocol: str,
    queries: int,
    seed: int,
    as_json: bool,
) -> None:
    from diptych.app import tables
    from diptych.flow import schemes
    from diptych.language_models import shelf
    from diptych.language_models.model import LanguageModel

    model = shelf.measured(language_model) if language_model else None
    if isinstance(model, LanguageModel) and model.sends:
        print_note(model.sends)
    with progress() as on_progress:
        told = schemes.measure(
            scheme,
            dataset,
            model,
            protocol=protocol,
            encoder=encoder or "mini",
            settings=settings,
            queries=queries,
            seed=seed,
            progress=on_progress,
        )
    if as_json:
        print_json(told.facts())
    else:
        tables.told(told)


@app.command()
def fit(
    method: Annotated[str, typer.Argument(help="A method's name.")],
    dataset: DatasetOption,
    out: Annotated[Path, typer.Option("--out", help="The folder to write the fitted method and its features to.")],
    settings: SetOption = None,
    image_features: ImagesOption = "",
    text_features: TextsOption = "",
    protocol: ProtocolOption = "",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Fit a method on a dataset's training split and keep it in a folder."""
    from diptych.flow.fit import fit as fitted
    from diptych.flow.prepare import prepare
    from diptych.flow.report import writable

    writable(out)
    with progress() as on_progress:
        prepared = prepare(
            dataset,
            image_features=image_features,
            text_features=text_features,
            protocol=protocol,
            seed=seed,
            progress=on_progress,
        )
        encoder = fitted(method, prepared, parsed(settings))
    encoder.save_pretrained(out)
    facts = {"method": method, "out": str(out), **encoder.trained_on_}
    print_json(facts) if as_json else print_line(f"{method} fitted on {encoder.trained_on_['dataset']}: {out}")


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A.json", help="A report, or the folder of one.")],
    others: Annotated[list[Path], typer.Argument(metavar="B.json …", help="Those to compare it with, one or more.")],
    as_json: JsonOption = False,
) -> None:
    """Show how a report differs from others: intervals, paired tests, and p corrected for looking at many."""
    from dataclasses import asdict

    from diptych.app import tables
    from diptych.flow import report
    from diptych.kinds import Report

    rows = report.compare(Report.load(a), *map(Report.load, others))
    if as_json:
        print_json([asdict(row) | {"report": str(others[row.against - 1])} for row in rows])
    else:
        tables.comparison(rows, str(a), *map(str, others))


@app.command()
def robustness(
    method: Annotated[str, typer.Argument(help="A method's name.")],
    dataset: DatasetOption,
    settings: SetOption = None,
    image_features: ImagesOption = "",
    text_features: TextsOption = "",
    protocol: ProtocolOption = "",
    shares: Annotated[
        str, typer.Option("--shares", help="Of wrong pairs, and of missing and wrong labels.")
    ] = "0.2,0.4,0.6",
    sizes: Annotated[
        str, typer.Option("--sizes", help="How far rows that ask are moved, as shares of their length.")
    ] = "0.05,0.1,0.2",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Show what a method finds under wrong pairs, missing and wrong labels, noise and attack."""
    from dataclasses import asdict

    from diptych.app import tables
    from diptych.flow.prepare import prepare
    from diptych.flow.robustness import robustness as tried

    with progress() as on_progress:
        prepared = prepare(
            dataset,
            image_features=image_features,
            text_features=text_features,
            protocol=protocol,
            seed=seed,
            progress=on_progress,
        )
        trials = list(
            tried(
                method,
                prepared,
                settings=parsed(settings),
                shares=_numbers(shares, "--shares"),
                sizes=_numbers(sizes, "--sizes"),
            )
        )
    if as_json:
        print_json([asdict(trial) for trial in trials])
    else:
        tables.robustness(trials, f"{method} on {prepared.dataset.card.name}, protocol {prepared.rules.name}")


@app.command()
def leaderboard(
    reports: Annotated[
        list[Path] | None, typer.Argument(metavar="[REPORT …]", help="Reports of your own, or their folders.")
    ] = None,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Lines of this dataset alone.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write a page to sort, narrow and draw them on.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what every method was measured at with this version, and your own reports among it."""
    from dataclasses import asdict

    from diptych.app import tables
    from diptych.flow import report

    lines = [*report.measured(), *map(report.reported, reports or [])]
    known = sorted({line.dataset for line in lines})
    if dataset and dataset not in known:
        raise BadInput(f"--dataset {dataset}: no line is of it; there are {', '.join(known)}")
    lines = report.best_first(line for line in lines if dataset in ("", line.dataset))
    if out is not None:
        try:
            place(out).write_text(report.board(lines), encoding="utf-8")
        except OSError as error:
            raise BadInput(f"--out {out}: not written ({error.strerror})") from None
        print_note(f"wrote {out}")
    if as_json:
        print_json([asdict(line) for line in lines])
    else:
        tables.leaderboard(lines)


def parsed(settings: list[str] | None) -> dict[str, str]:
    """`key=value` strings as a dictionary."""
    pairs = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals:
            raise BadInput(f"--set {setting!r} has no =; write --set key=value")
        pairs[key.strip()] = value.strip()
    return pairs


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",") if number]
    except ValueError:
        raise BadInput(f"{option} {text}: give numbers between 0 and 1, separated by commas") from None
