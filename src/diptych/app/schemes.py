"""What commands say of language models, read: which one, and what it is to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diptych.app.shell import print_note
from diptych.kinds import BadInput

if TYPE_CHECKING:
    from diptych.collection.schemes import Closer, Reworder


def schemes(
    rewrite: str, rerank: str, language_model: str, calls: int | None, seconds: float | None
) -> tuple[Reworder | None, Closer | None]:
    """What --rewrite and --rerank name, with the model of --language-model. What is sent where is said.

    Raises BadInput for names of nothing, and where one of the options lacks another.
    """
    if not (rewrite or rerank):
        if language_model or calls is not None or seconds is not None:
            raise BadInput("--language-model, --calls and --seconds say how to --rewrite or --rerank; name a scheme")
        return None, None
    if (calls is not None or seconds is not None) and not rerank:
        raise BadInput("--calls and --seconds are for --rerank; a rewritten query costs one call or a few")

    from diptych import catalogue
    from diptych.collection.schemes import Closer, Reworder
    from diptych.language_models import shelf
    from diptych.language_models.model import LanguageModel
    from diptych.scheme import Reranker, Rewriter

    def named(option: str, name: str, kind: type) -> object:
        found = catalogue.scheme(name)
        if not issubclass(found, kind):
            fit = ", ".join(each for each in catalogue.schemes() if issubclass(catalogue.scheme(each), kind))
            raise BadInput(f"{option} {name}: it does something else; there are: {fit}")
        return found()

    rewriter = named("--rewrite", rewrite, Rewriter) if rewrite else None
    reranker = named("--rerank", rerank, Reranker) if rerank else None
    if not language_model:
        raise BadInput(f"{rewrite or rerank} asks a language model; name it: --language-model http://HOST/v1#MODEL")
    model = shelf.named(language_model)
    if not isinstance(model, LanguageModel):
        raise BadInput(
            f"--language-model {language_model}: the oracle knows the postcards it is measured on, no others"
        )
    reworder = Reworder(rewriter, model) if isinstance(rewriter, Rewriter) else None
    closer = Closer(reranker, model, calls=calls, seconds=seconds) if isinstance(reranker, Reranker) else None
    if model.sends:
        print_note(model.sends)
    return reworder, closer
