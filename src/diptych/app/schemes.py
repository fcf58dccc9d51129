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
    if not language_model:
        raise BadInput(f"{rewrite or rerank} asks a language model; name it: --language-model http://HOST/v1#MODEL")

    from diptych.collection.schemes import Closer, Reworder
    from diptych.language_models import shelf

    model = shelf.named(language_model)
    reworder = Reworder(rewrite, model) if rewrite else None
    closer = Closer(rerank, model, calls=calls, seconds=seconds) if rerank else None
    if model.sends:
        print_note(model.sends)
    return reworder, closer
