"""Methods and datasets are found by the names of their files."""

import pytest

from diptych import catalogue
from diptych.kinds import BadInput


@pytest.mark.parametrize("name", sorted(catalogue.methods()))
def test_every_method_has_a_class_of_its_own_name_and_a_paper_with_its_year(name):
    facts = catalogue.MethodFacts.of(name)
    assert catalogue.method(name).paper_name() == name
    assert facts.paper and 1900 < facts.year < 2100 and facts.family == catalogue.methods()[name]
    assert facts.built in ("full", "simplified", "reconstruction")


def test_what_is_not_built_in_full_says_so_in_its_own_text():
    built = {name: catalogue.MethodFacts.of(name).built for name in ("cca", "caal", "tanss")}
    assert built == {"cca": "full", "caal": "reconstruction", "tanss": "simplified"}


@pytest.mark.parametrize("name", catalogue.datasets())
def test_every_dataset_has_a_card_whose_protocols_name_its_splits(name):
    card, sought = catalogue.dataset(name).card, catalogue.dataset(name).sought
    assert card.name == name and (card.protocols or sought)
    for protocol in card.protocols:
        for split in (protocol.train, protocol.query, protocol.database):
            assert not card.splits or split in {*card.splits, "all"}


def test_unknown_names_get_the_nearest():
    with pytest.raises(BadInput, match="there is no method 'ccaa'; did you mean 'cca'"):
        catalogue.method("ccaa")
    with pytest.raises(BadInput, match="there is no dataset 'flickr9k', and no file or folder of that name"):
        catalogue.dataset("flickr9k")


def test_real_data_wants_its_folder(monkeypatch):
    monkeypatch.delenv("DIPTYCH_DATA", raising=False)
    with pytest.raises(BadInput, match=r"wikipedia needs the folder of your data sets in \$DIPTYCH_DATA"):
        catalogue.dataset("wikipedia").read("test")
