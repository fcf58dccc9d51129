"""`diptych feedback`: what is kept of what people did with answers, what was learned from it, and how it is deleted."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from diptych.app.find import number, opened
from diptych.app.shell import JsonOption, app, print_json, print_line
from diptych.kinds import BadInput


@app.command()
def feedback(
    place: Annotated[
        Path | None, typer.Argument(help="A folder of pictures, or its collection; by default the one near.")
    ] = None,
    learn: Annotated[bool, typer.Option("--learn", help="Learn from it: for all, and for each person.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write marks as training pairs to this .jsonl file.")
    ] = None,
    forget: Annotated[
        str | None, typer.Option("--forget", metavar="USER", help="Delete all that is kept of one person.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what people did with answers and what was learned from it; learn, hand it out, or forget a person.

    On a server a person is the id of their key, as `diptych keys list` has it; on one's own machine, `owner`.
    """
    if sum(map(bool, (learn, export, forget is not None))) > 1:
        raise BadInput("--learn, --export, --forget: one at a time")
    with opened(place, write=learn or forget is not None) as found:
        if forget is not None:
            n = found.feedback.forget(forget)
            _tell({"events": n}, f"{number(n, 'event')} of {forget} deleted, and what was learned", as_json)
            return
        if export is not None:
            n = found.feedback.export(export)
            _tell({"pictures": n}, f"{export}: marks of {number(n, 'picture')}", as_json)
            return
        events = list(found.feedback.events())
        people = Counter(event.user for event in events)
        if learn:
            for user in (None, *sorted(people)):
                found.feedback.learn(user)
        learned = {user: found.feedback.learned(user) for user in (None, *sorted(people))}
    kinds = Counter(event.kind for event in events)
    if as_json:
        told = [{"user": user, "events": people[user], "learned": _facts(learned[user])} for user in sorted(people)]
        queries = len({event.query for event in events})
        numbers = {"events": len(events), "queries": queries, "kinds": dict(kinds)}
        print_json({"collection": str(found.folder), **numbers, "learned": _facts(learned[None]), "people": told})
        return
    counted = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
    whose = "one person" if len(people) == 1 else f"{len(people)} people"
    print_line(f"{number(len(events), 'event')} of {whose}{f': {counted}' * bool(counted)}")
    for user, found_out in learned.items():
        who = "for all" if user is None else f"{user}, {number(people[user], 'event')}"
        print_line(who, "nothing learned yet; --learn" if found_out is None else str(found_out))


def _facts(learned: object) -> object:
    return None if learned is None else asdict(learned)  # type: ignore[call-overload]


def _tell(facts: dict[str, int], line: str, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        print_line(line)
