"""The command `chat`: look for one picture by being asked about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from diptych.app.find import CollectionOption, opened
from diptych.app.shell import JsonOption, a_person_reads, app, print_json, print_line, print_note, quoted


@app.command()
def chat(
    text: Annotated[str, typer.Argument(help="What you look for, in words.")],
    language_model: Annotated[
        str, typer.Option("--language-model", help="Which one asks, as http://HOST/v1#MODEL; what is sent is said.")
    ],
    collection: CollectionOption = None,
    top: Annotated[int, typer.Option("-t", "--top", help="Answers after each turn.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Look for one picture: a language model asks, you answer line by line, and an empty line ends it."""
    from diptych.collection import Reworder, schemes
    from diptych.language_models.forms import Unanswered
    from diptych.language_models.model import LanguageModel
    from diptych.scheme import Asked, Questioner

    reworder, asked = Reworder("chatir", language_model), Asked(text)
    with opened(collection) as found:
        reworder = schemes.unkept(reworder) if found.is_encrypted else reworder
        scheme, model = reworder.rewriter, reworder.model
        assert isinstance(scheme, Questioner) and isinstance(model, LanguageModel)
        print_note(model.sends)
        while True:
            looked_for = scheme.rewrite(asked, model)
            answer = found.search(looked_for, top, language="plain")
            try:
                question = scheme.question(asked, model)
            except Unanswered as error:
                question = ""
                print_note(f"the model asks nothing more: {error}")
            if as_json:
                hits = [
                    {name: getattr(hit, name) for name in ("id", "key", "score", "verdict")} for hit in answer.results
                ]
                print_json({"query": looked_for, "results": hits, "question": question})
            else:
                for hit in answer.results:
                    print_line(f"{hit.score:.3f}", quoted(hit.key))
            if not question or not (said := _answer("" if as_json else question)):
                return
            asked = replace(asked, turns=(*asked.turns, (question, said)))


def _answer(question: str) -> str:
    """A line of standard input, for which the question is put; "" where there is no more."""
    if question:
        print_note(question)
    try:
        return input("> " if a_person_reads() else "").strip()
    except EOFError:
        return ""
