"""Chatting makes perfect (ChatIR: Levy, Ben-Ari, Darshan & Lischinski, NeurIPS 2023).

    d_0 = what was asked first,  d_r = question r of the model and its answer
    query at round r   "d_0, d_1, …, d_r"

A model that knows the dialogue asks what would tell most. Found at round r is what stood among the first ten at any
round up to r. The paper teaches its text encoder such dialogues; here an encoder reads them as it is, so that of a turn
only the answer is given to it unless `questions` is set.
"""

from dataclasses import dataclass

from diptych.language_models.forms import Words
from diptych.language_models.model import LanguageModel, Prompt, one_line
from diptych.scheme import Asked, Questioner

ASK = """A person looks for one picture among many and has said this about it. Ask them one short question whose answer
would help most to find it. Do not ask what they have said.
Text: {text}
{turns}"""


@dataclass
class ChatIR(Questioner):
    """questions   whether they stand in the query beside their answers, as in the paper"""

    questions: bool = False

    def rewrite(self, asked: Asked, model: LanguageModel) -> str:
        turns = [f"{question} {answer}" if self.questions else answer for question, answer in asked.turns]
        return ", ".join([asked.text, *turns])

    def question(self, asked: Asked, model: LanguageModel) -> str:
        prompt = Prompt(ASK.format(text=one_line(asked.text), turns=asked.dialogue()))
        return str(model.answer(prompt, Words("question", 200)))
