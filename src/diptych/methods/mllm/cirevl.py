"""Compositional image retrieval through vision by language (CIReVL: Karthik, Roth, Mancini & Akata, ICLR 2024).

    caption       what the model says of the picture that is started from
    description   the caption as the model edits it by the change that is asked for
    answer        pictures nearest to the description, by any dual encoder

Nothing is trained, and a person can read, and mend, the text that is looked for. Prompts are our own.
"""

from dataclasses import dataclass

from diptych.language_models.forms import Words
from diptych.language_models.model import LanguageModel, Prompt, one_line, seen
from diptych.scheme import Asked, Rewriter

CAPTION = "Describe this picture in one sentence: every thing in it with its colour and number, the place, the time."
EDIT = """A person has a picture and wants to find another one that differs from it. Describe the picture that they
want in one sentence. Keep what the change does not touch, and leave out what is no longer there.
Picture: {caption}
Change: {change}"""


@dataclass
class CIReVL(Rewriter):
    """Without looks, the model edits nothing it has seen: what is left is the change alone."""

    takes = "composed"
    looks: bool = True

    def rewrite(self, asked: Asked, model: LanguageModel) -> str:
        caption = model.answer(Prompt(CAPTION, (seen(asked.picture),)), Words("caption")) if self.looks else "a picture"
        return str(
            model.answer(Prompt(EDIT.format(caption=caption, change=one_line(asked.text))), Words("description"))
        )
