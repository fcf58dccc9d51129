"""Render the parts of the documentation that the code knows best.

A page holds `<!-- generated: NAME -->` … `<!-- end -->`; what stands between is replaced by what the function of that
name below gives, of the words that follow the name. Everything else on a page is written by hand.

    python docs/generate.py     # or: make docs
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import diptych
from diptych import catalogue
from diptych.features import composition
from diptych.features.feature import Step
from diptych.flow.report import figure, leaderboard
from diptych.method import Alternating, Descent

ROOT = Path(__file__).parents[1]
REPRODUCTIONS = ROOT / "reproductions"
BLOCK = re.compile(r"(<!-- generated: (\w+)([\w ]*) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def settings_of(cls: type) -> str:
    """`name=default` of each hyper-parameter."""
    return ", ".join(f"`{field.name}={_shown(field.default)}`" for field in dataclasses.fields(cls)) or "none"


def _shown(value: Any) -> str:
    """A default as it is written on the command line."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def methods() -> str:
    names = [name for name, shelf in catalogue.methods().items() if shelf != catalogue.PLUGIN]
    facts = [catalogue.MethodFacts.of(name) for name in sorted([*names, *catalogue.schemes()])]
    rows = [(f"[`{f.name}`](#{f.name})", f.family, f.needs, f.space, f.built, f.year, f.paper) for f in facts]
    text = table(("method", "shelf", "learns from", "space", "built", "year", "what it is"), rows)
    scores = _scores()
    return text + "".join(
        _section(fact.name, (catalogue.scheme if fact.family == catalogue.SCHEMES else catalogue.method)(fact.name))
        + scores.get(fact.name, "")
        for fact in facts
    )


def _scores() -> dict[str, str]:
    """Of each method, a table of what the rows of the reproductions found, and at what cost."""
    measured, lines = load_measured(), dict[str, list[Sequence[Any]]]()
    for dataset, file in load_rows().items():
        for row in file["row"]:
            metric = next(iter(row["expected"]))
            if (found := runs(row, measured, "expected", metric)) is not None:
                name, *settings = row["command"].removeprefix("diptych evaluate ").split()
                del settings[:2]  # --dataset and its name, which is the first column
                last = measured[asked(row)[0]]
                cells = [_two(metric, found.mean(axis=0).tolist())]
                cells += [_two(metric, row.get(key, {}).get(metric)) for key in ("untrained", "paper")]
                said = f"`{' '.join(settings)}`" if settings else ""
                lines.setdefault(name, []).append((dataset, said, metric, *cells, f"{last['seconds']['fit']:.0f}"))
    head = ("dataset", "settings", "measure", "ours", "untrained", "paper", "s to fit")
    return {name: "\n" + table(head, found) for name, found in lines.items()}


def datasets() -> str:
    cards = [catalogue.dataset(name).card for name in catalogue.datasets()]
    text = table(
        ("dataset", "what", "licence", "features it is measured with"),
        [(f"[`{c.name}`](#{c.name})", c.title, c.licence, f"`{c.image_features}`, `{c.text_features}`") for c in cards],
    )
    for card in cards:
        text += f"\n### {card.name}\n\n{card.title}. {card.citation}.\n\n"
        text += f"* Source: {card.source}\n"
        text += f"* Get it: {card.get}\n"
        text += "* Splits: " + ", ".join(f"`{name}` {n:,}" for name, n in card.splits.items()) + " pictures\n"
        for protocol in card.protocols:
            note = f" ({protocol.note})" if protocol.note else ""
            text += f"* Protocol `{protocol.name}`: {protocol}{note}\n"
        for name, asked in catalogue.dataset(card.name).sought.items():
            text += f"* Protocol `{name}`, for schemes: {_first_paragraph(inspect.getdoc(asked) or '')}\n"
    return text


def features() -> str:
    found = {name: composition.named(name) for name in composition.names()}
    steps = sorted(name for name, cls in found.items() if issubclass(cls, Step))
    extractors = sorted(found.keys() - set(steps))
    text = table(
        ("extractor", "reads", "then", "what it is"),
        [(f"[`{n}`](#{n})", _READS[found[n].side], f"`{found[n].then}`", _headline(found[n])) for n in extractors],
    )
    text += "\n" + table(("step", "what it does"), [(f"[`{n}`](#{n})", _headline(found[n])) for n in steps])
    for name in [*extractors, *steps]:
        text += _section(name, found[name])
    return text


_READS = {"image": "pictures", "text": "texts", "any": "arrays"}


def _headline(cls: type) -> str:
    return _first_paragraph(inspect.getdoc(inspect.getmodule(cls)) or "")


def _section(name: str, cls: type) -> str:
    """A heading, the hyper-parameters with their defaults, and what module and class say of themselves."""
    told = inspect.getdoc(inspect.getmodule(cls)) or ""
    own = cls.__dict__.get("__doc__") or ""
    if own and not own.startswith(f"{cls.__name__}("):  # dataclasses write a signature where there is no docstring
        told += "\n\n" + inspect.cleandoc(own)
    return f"\n### {name}\n\nSettings: {settings_of(cls)}\n\n```text\n{told}\n```\n"


def commands() -> str:
    """Every command with its arguments and options, as the parser knows them."""
    import typer.main

    from diptych.app.cli import app

    text = ""
    group: Any = typer.main.get_command(app)
    every: dict[str, Any] = {}
    for name, command in group.commands.items():
        if not command.no_args_is_help:  # else it only holds others
            every[name] = command
        every |= {f"{name} {inner}": found for inner, found in getattr(command, "commands", {}).items()}
    for name, command in every.items():
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option"]
        metavars = [p.metavar or p.name.upper() for p in arguments]
        text += f"\n### {name}\n\n{' '.join((command.help or '').split())}\n\n"
        places = [metavar if p.required else f"[{metavar}]" for metavar, p in zip(metavars, arguments, strict=True)]
        text += f"```text\n{' '.join(['diptych', name, *places, '[OPTIONS]'])}\n```\n\n"
        rows = [
            (f"`{metavar}`", "needed" if argument.required else "", argument.help)
            for metavar, argument in zip(metavars, arguments, strict=True)
        ]
        for option in options:
            given = "" if option.default in (None, "") or option.is_flag else option.default
            default = "needed" if option.required else given
            rows.append((", ".join(f"`{flag}`" for flag in option.opts), default, option.help))
        text += table(("option", "default", "what it does"), rows)
    return text


# ------------------------------------------------------------------------------------------------------------- Python


def python(*names: str) -> str:
    """Public names with their signatures and what they say of themselves; classes with their methods."""
    return "".join(_told(name, getattr(diptych, name), 3) + _methods_of(name, getattr(diptych, name)) for name in names)


def _methods_of(name: str, thing: Any) -> str:
    """The public methods of a class that its bases on the page do not tell already."""
    if not isinstance(thing, type):
        return ""
    told = {getattr(diptych, other) for other in diptych.__all__ if other != name}
    bases = [base for base in thing.__mro__ if base.__module__.startswith("diptych.") and base not in told]
    found: dict[str, Any] = {}
    for base in bases:
        for member, value in vars(base).items():
            function = getattr(value, "__func__", value)
            if not member.startswith("_") and (isinstance(value, property) or inspect.isfunction(function)):
                found.setdefault(member, value)
    mine = {member: value for member, value in found.items() if value.__doc__}
    return "".join(_told(f"{name}.{member}", value, 4) for member, value in mine.items())


def _told(name: str, thing: Any, level: int) -> str:
    """A heading, a signature, and the docstring."""
    function = getattr(thing, "__func__", thing)
    text = f"\n{'#' * level} {name}\n\n"
    if isinstance(thing, property):
        text += f"```py\n{name}: {inspect.signature(thing.fget).return_annotation}\n```\n\n"
    elif inspect.isfunction(function) or (dataclasses.is_dataclass(thing) and dataclasses.fields(thing)):
        text += f"```py\n{_signature(name, function)}\n```\n\n"
    return text + f"```text\n{inspect.getdoc(thing)}\n```\n"


def _signature(name: str, function: Any) -> str:
    """A call as it is written, on one line or with a line for each parameter."""
    found = inspect.signature(function)
    parts: list[str] = []
    for parameter in found.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        parts.append(f"{stars}{parameter.name}: {parameter.annotation}{default.replace(' = <factory>', ' = …')}")
    gives = "" if found.return_annotation in (found.empty, None) else f" -> {found.return_annotation}"
    line = f"{name}({', '.join(parts)}){gives}"
    return line if len(line) <= 100 else f"{name}(\n    " + ",\n    ".join(parts) + f",\n){gives}"


# ------------------------------------------------------------------------------------------------------ reproductions


def http() -> str:
    """Every address of the server, with the scope that a key needs for it."""
    paths = _server().openapi()["paths"]
    lines = [
        (f"`{verb.upper()} {path}`", f"`{told['x-scope']}`" if "x-scope" in told else "none", told["description"])
        for path, verbs in paths.items()
        for verb, told in verbs.items()
    ]
    return table(("call", "scope", "what it does"), [(*call, _first_paragraph(text)) for *call, text in lines])


def server_settings() -> str:
    """Every setting of the server: its variable, its value where nothing is said, what it means."""
    from diptych.app.server.settings import Settings

    lines_of = re.findall(r"^(\w+(?:, \w+)*) {2,}(\S.*(?:\n +.*)*)", inspect.getdoc(Settings) or "", re.MULTILINE)
    told = {name: " ".join(text.split()) for names, text in lines_of for name in names.split(", ")}
    shown = {"home": "a folder of the user's data", "readers": "one a core, at least 2"}
    lines = [
        (f"`DIPTYCH_{field.name.upper()}`", shown.get(field.name, _shown(field.default)), told.get(field.name, ""))
        for field in dataclasses.fields(Settings)
    ]
    return table(("variable", "default", "meaning"), lines)


def _server() -> Any:
    from diptych.app.server.access.caller import Caller
    from diptych.app.server.app import create
    from diptych.app.server.library import Library
    from diptych.app.server.settings import Settings

    return create(Library(bytes(32), 1, 1.0), Settings(), lambda _: Caller.OWNER)


def _first_paragraph(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())


def load_rows() -> dict[str, dict[str, Any]]:
    """File name -> its TOML: `title`, `about` and the list `row`. Those with published figures come first."""
    found = {file.stem: tomllib.loads(file.read_text(encoding="utf-8")) for file in REPRODUCTIONS.glob("*.toml")}
    published = {name: any("paper" in row for row in file["row"]) for name, file in found.items()}
    return {name: found[name] for name in sorted(found, key=lambda name: (not published[name], name))}


def load_measured() -> dict[str, Any]:
    """Command -> what it gave when it last ran; written by docs/reproduce.py."""
    file = REPRODUCTIONS / "measured.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


UNTRAINED = {Descent: "--set epochs=0", Alternating: "--set rounds=0"}
"""What leaves a network as it was drawn, or unknowns as they start: how every `untrained` figure is made."""
WAYS = ("expected", "untrained", "without")
Figures = dict[str, Sequence[float]]


def asked(row: dict[str, Any], way: str = "expected") -> list[str]:
    """The commands behind a row's figures, one a seed: as it stands, untrained, or without the paper's idea.

    None where the row has no such figures. A setting that is given twice counts as it was given last.
    """
    if way not in row:
        return []
    command = row["command"]
    if way == "untrained":
        method = catalogue.method(command.split()[2])
        command += " " + next(words for base, words in UNTRAINED.items() if issubclass(method, base))
    elif way == "without":
        command += f" {row['without']['set']}"
    return [f"{command} --seed {seed}" for seed in range(row["seeds"])] if "seeds" in row else [command]


def figures(row: dict[str, Any], way: str) -> Figures:
    """What the file says of one of the ways: metric -> [pictures to texts, texts to pictures]."""
    told: Figures = row.get(way, {})
    return {metric: both for metric, both in told.items() if metric != "set"}


def runs(row: dict[str, Any], measured: dict[str, Any], way: str, metric: str) -> npt.NDArray[np.float64] | None:
    """(seeds, 2) what the runs of a way gave; None where one has not run yet."""
    commands = asked(row, way)
    if not commands or any(command not in measured for command in commands):
        return None
    return np.array([[measured[command][side].get(metric, np.nan) for side in ("i2t", "t2i")] for command in commands])


def half_interval(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Half the 95 % interval of the mean over seeds, Student's t; (seeds, 2) -> (2,)."""
    from scipy import stats

    n = len(values)
    return np.asarray(stats.t.ppf(0.975, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n))


def tolerance(row: dict[str, Any], metric: str) -> Sequence[float]:
    """How far the figures may move: the half interval of the mean where there are seeds, else what the row says."""
    half: Sequence[float] = row.get("half", {}).get(metric, (0.0, 0.0))
    return [max(side, row.get("tolerance", 0.0)) for side in half]


def off(row: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """The figures of a row that left its tolerance, in words; those of a way that has not run yet are not missed.

    measured   command -> what it gave, as `load_measured` has it
    """
    wrong = []
    for way in WAYS:
        for metric, told in figures(row, way).items():
            if (found := runs(row, measured, way, metric)) is None:
                continue
            ours = zip(("i2t", "t2i"), found.mean(axis=0).tolist(), told, tolerance(row, metric), strict=True)
            for direction, value, expected, allowed in ours:
                if not abs(value - expected) <= allowed:
                    said = "" if way == "expected" else f"{way}: "
                    wrong.append(f"{said}{direction} {metric} is {value}, expected {expected} ± {allowed}")
    return wrong


def worth(row: dict[str, Any], measured: dict[str, Any], metric: str) -> str:
    """What the paper's idea adds: the paired difference over the same seeds with its half interval, in percent."""
    ours, others = (runs(row, measured, way, metric) for way in ("expected", "without"))
    if ours is None or others is None:
        return "–"
    gap = ours - others
    if len(gap) < 2:
        return " / ".join(f"{100 * value:+.1f}" for value in gap[0])
    return " / ".join(
        f"{100 * value:+.1f} ± {100 * half:.1f}"
        for value, half in zip(gap.mean(axis=0), half_interval(gap), strict=True)
    )


def _two(metric: str, figures: Sequence[float] | None) -> str:
    """Both directions, as the command line prints them."""
    return " / ".join(figure(metric, value) for value in figures) if figures else "–"


def reason(row: dict[str, Any]) -> str:
    """What a row says of itself, and of its settings where it says nothing."""
    return str(row.get("why", "Settings are the defaults."))


def reproductions() -> str:
    text, measured = "", load_measured()
    for file in load_rows().values():
        text += f"\n## {file['title']}\n\n{file['about'].strip()}\n\n"
        lines = []
        for row in file["row"]:
            last = measured.get(asked(row)[0])
            why = ("Flatters: chosen on this very set. " if row.get("flatters") else "") + reason(row)
            for number, (metric, expected) in enumerate(row["expected"].items()):
                found = runs(row, measured, "expected", metric)
                ours = None if found is None else found.mean(axis=0).tolist()
                paper = row.get("paper", {}).get(metric)
                place = f'<a id="{leaderboard.anchor(row["command"])}"></a>'  # cells of the leaderboard point here
                head = (f"{place}`{row['command']}`", why) if number == 0 else ("", "")
                seeds = f"0–{row['seeds'] - 1}" if "seeds" in row else last["seed"] if last else ""
                end = (f"{sum(last['seconds'].values()):.1f}", seeds) if last and number == 0 else ("", "")
                allowed = f"{_two(metric, expected)} ± {figure(metric, max(tolerance(row, metric)))}"
                untrained = row.get("untrained", {}).get(metric)
                others = _two(metric, untrained), _two(metric, paper)
                lines.append((head[0], metric, _two(metric, ours), allowed, *others, head[1], *end))
        heads = ("command", "measure", "ours", "expected", "untrained", "paper", "why they differ", "s", "seed")
        text += table(heads, lines)
    return text


def lines() -> list[leaderboard.Line]:
    """The leaderboard: a line for each row that ran, by its first measure."""
    measured, found = load_measured(), []
    for file in load_rows().values():
        for row in file["row"]:
            metric = next(iter(row["expected"]))
            if (values := runs(row, measured, "expected", metric)) is None:
                continue
            name, *words = row["command"].removeprefix("diptych evaluate ").split()
            options = list(zip(words[::2], words[1::2], strict=True))
            card = catalogue.dataset(dict(options)["--dataset"]).card
            settings = dict(value.split("=") for flag, value in options if flag == "--set")
            facts = catalogue.MethodFacts.of(name) if name in catalogue.methods() else None
            bits = None
            if facts is not None and facts.space == "hamming":
                bits = int(settings.get("bits", catalogue.method(name)().settings()["bits"]))
            ran = [measured[command] for command in asked(row)]
            half = half_interval(values) if len(values) > 1 else None
            untrained = row.get("untrained", {}).get(metric)
            found.append(
                leaderboard.Line(
                    method=name,
                    family=facts.family if facts else "",
                    built=facts.built if facts else "",
                    dataset=card.name,
                    protocol=dict(options).get("--protocol", card.protocols[0].name),
                    settings=" ".join(f"{flag} {value}" for flag, value in options if flag not in _NAMED),
                    metric=metric,
                    i2t=round(float(values[:, 0].mean()), 4),
                    t2i=round(float(values[:, 1].mean()), 4),
                    half=None if half is None else (round(float(half[0]), 4), round(float(half[1]), 4)),
                    seeds=len(values),
                    untrained=None if untrained is None else (untrained[0], untrained[1]),
                    bits=bits,
                    bytes_per_item=ran[0].get("bytes_per_item", bits and bits / 8),
                    codes=row.get("codes", "own" if bits else ""),
                    seconds=round(float(np.mean([one["seconds"].get("fit", 0) for one in ran])), 2),
                    flatters=row.get("flatters", False),
                    command=row["command"],
                    why=reason(row),
                )
            )
    return leaderboard.best_first(found)


_NAMED = ("--dataset", "--protocol")
"""Options of a command that are columns of the board."""


def results() -> str:
    """The table of the README: the rows that carry a `title`."""
    measured, lines = load_measured(), []
    for file in load_rows().values():
        for row in file["row"]:
            metric = next(iter(row["expected"]))
            if "title" in row and (found := runs(row, measured, "expected", metric)) is not None:
                ours = found.mean(axis=0).tolist()
                paper = row.get("paper", {}).get(metric)
                lines.append((file["title"], row["title"], metric, _two(metric, ours), _two(metric, paper)))
    return table(("data", "method", "measure", "ours", "published"), lines)


def ablations() -> str:
    """What each paper's idea is worth where it was measured: the rows that have a `without`."""
    measured, lines = load_measured(), []
    for file in load_rows().values():
        for row in file["row"]:
            for metric in figures(row, "without"):
                name = row["command"].split()[2]
                told = [_two(metric, figures(row, way).get(metric)) for way in ("expected", "without")]
                seeds = row.get("seeds", 1)
                cells = (name, file["title"], f"`{row['without']['set']}`", metric, *told, worth(row, measured, metric))
                lines.append((*cells, seeds))
    if not lines:
        return "No row has been measured without its idea yet."
    return table(("method", "data", "without", "measure", "with", "without", "difference", "seeds"), lines)


BLOCKS: dict[str, Callable[..., str]] = {
    "methods": methods,
    "datasets": datasets,
    "features": features,
    "commands": commands,
    "reproductions": reproductions,
    "ablations": ablations,
    "results": results,
    "python": python,
    "http": http,
    "settings": server_settings,
}


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def rendered(page: Path) -> str:
    """The page as it should be."""
    text = page.read_text(encoding="utf-8")
    return BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]](*found[3].split()).strip()}\n\n{found[4]}", text)


def made() -> dict[Path, str]:
    """Files that are generated as a whole, as they should be."""
    board = lines()
    return {
        ROOT / "src" / "diptych" / "flow" / "report" / "leaderboard.json": leaderboard.written(board),
        ROOT / "docs" / "leaderboard.html": leaderboard.page(board, "reproductions.md"),
    }


def main() -> None:
    for page, text in ({page: rendered(page) for page in pages()} | made()).items():
        if not page.exists() or text != page.read_text(encoding="utf-8"):
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text, encoding="utf-8")
            print(f"rendered {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
