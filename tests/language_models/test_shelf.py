"""What a person writes names a model."""

from __future__ import annotations

import pytest

from diptych.kinds import BadInput
from diptych.language_models import shelf
from diptych.language_models.kept import Kept


def test_an_address_is_an_endpoint_whose_answers_are_kept() -> None:
    model = shelf.named("http://localhost:11434/v1#eyes:7b")
    assert isinstance(model, Kept) and model.name == "http://localhost:11434/v1#eyes:7b" and "localhost" in model.sends


def test_the_oracle_waits_for_what_is_sought() -> None:
    assert callable(shelf.measured("oracle")) and callable(shelf.measured("oracle@noise=.2,seed=3"))
    assert isinstance(shelf.measured("http://localhost/v1#m"), Kept)
    with pytest.raises(BadInput, match="no pictures of yours"):
        shelf.named("oracle")


@pytest.mark.parametrize(
    "text", ["", "eyes", "oracle@noise=x", "oracle@seed=.5", "oracle@depth=2", "http://localhost/v1"]
)
def test_anything_else_is_one_line(text: str) -> None:
    with pytest.raises(BadInput, match="language model"):
        shelf.measured(text)
