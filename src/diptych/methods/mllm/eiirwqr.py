"""Enhancing interactive image retrieval with query rewriting (EIIRwQR: Zhu et al., ICMR 2024).

Pictures that somebody liked among those that were shown are captioned, and the model merges what they have in common
into the query; what the captions say besides is noise, and left out. What was shown is not shown again.

Reconstruction: the paper's prompts, and how many pictures and turns, are not told in what is public.
"""

from dataclasses import dataclass
from typing import Annotated

from diptych.language_models.forms import Words
from diptych.language_models.model import LanguageModel, Prompt, one_line, seen
from diptych.methods.mllm.cirevl import CAPTION
from diptych.parts.fitted import AtLeast
from diptych.scheme import Asked, Rewriter

MERGE = """A person looked for the text below and liked these pictures. Write in one sentence what they look for: the
text, and what the pictures have in common. Leave out what only one of them shows.
Text: {text}
{captions}"""


@dataclass
class EIIRwQR(Rewriter):
    """least   pictures that have to be liked: of a single one nobody can tell what was meant
    most    that are captioned, the latest liked ones
    """

    takes = "feedback"
    least: Annotated[int, AtLeast(1)] = 2
    most: Annotated[int, AtLeast(1)] = 5

    def rewrite(self, asked: Asked, model: LanguageModel) -> str:
        if len(asked.liked) < self.least:
            return asked.text
        captions = [
            str(model.answer(Prompt(CAPTION, (seen(picture),)), Words("caption")))
            for picture in asked.liked[-self.most :]
        ]
        told = "\n".join(f"Picture: {caption}" for caption in captions)
        return str(model.answer(Prompt(MERGE.format(text=one_line(asked.text), captions=told)), Words("query")))
