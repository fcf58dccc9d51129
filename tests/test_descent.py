"""The one training loop: what it computes, that it repeats, what it survives, and what it hides from whom."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy import sparse

from diptych import parts
from diptych.kinds import BadInput, Pairs, SharedLabels
from diptych.method import Descent, Method, Player
from diptych.metrics import measures, ranking

torch = pytest.importorskip("torch", reason="the training loop needs torch")
nn = torch.nn


@dataclass
class Toy(Descent):
    """Two linear maps that meet, with dropout so that chance matters."""

    epochs: int = 4
    batch: int = 16
    rate: float = 0.01
    dropout: float = 0.2

    def network(self, facts):
        images = nn.Sequential(nn.Dropout(self.dropout), nn.Linear(facts["image_width"], 4))
        return parts.heads.Network(images=images, texts=nn.Linear(facts["text_width"], 4))

    def loss(self, net, images, texts, batch):
        logits = 5 * parts.losses.cosines(images, texts)
        return {"contrastive": parts.losses.contrastive(logits, parts.targets.same_picture(batch.owner))}


@dataclass
class Watching(Toy):
    """Keeps the batches that its loss is shown."""

    def fit(self, train, **more):
        self._batches = []
        return super().fit(train, **more)

    def loss(self, net, images, texts, batch):
        self._batches.append((batch, images.shape))
        return super().loss(net, images, texts, batch)


class Table(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(*shape))


@dataclass
class Game(Toy):
    """Two players, remembered outputs and a discrete step: everything that a checkpoint has to carry."""

    def network(self, facts):
        net = super().network(facts)
        net.judge = nn.Linear(4, 1)
        net.memory = Table(facts["texts"], 4)
        return net

    def judged(self, net, images, texts, batch):
        both = torch.cat([net.judge(images), net.judge(texts)]).squeeze(1)
        side = torch.cat([torch.ones(len(images)), torch.zeros(len(texts))])
        return {"judge": nn.functional.binary_cross_entropy_with_logits(both, side)}

    def loss(self, net, images, texts, batch):
        near = (texts - net.memory.rows[batch.index]).square().mean()
        net.memory.rows[batch.index] = texts.detach()
        return {**super().loss(net, images, texts, batch), "memory": near, **self.fooled(net, images, texts, batch)}

    def fooled(self, net, images, texts, batch):
        return {"fooled": -0.1 * self.judged(net, images, texts, batch)["judge"]}

    def players(self, net):
        towers = [*net.images.parameters(), *net.texts.parameters()]
        return [Player("towers", towers, self.loss), Player("judge", list(net.judge.parameters()), self.judged)]

    def epoch_end(self, net, train, epoch):
        net.memory.rows.sign_()


@pytest.fixture
def pairs() -> Pairs:
    """40 pictures, two captions each, five shared factors; three labels."""
    rng = np.random.default_rng(0)
    factors, owner = rng.standard_normal((40, 5)), np.repeat(np.arange(40), 2)
    images = factors @ rng.standard_normal((5, 8)) + 0.3 * rng.standard_normal((40, 8))
    texts = factors[owner] @ rng.standard_normal((5, 6)) + 0.3 * rng.standard_normal((80, 6))
    return Pairs(images.astype(np.float32), texts.astype(np.float32), owner, factors[:, :3] > 0)


def same(one: Method, two: Method) -> bool:
    a, b = one.learned(), two.learned()
    weights = a["weights_"].keys() == b["weights_"].keys() and all(
        np.array_equal(a["weights_"][name], b["weights_"][name]) for name in a["weights_"]
    )
    return weights and a["training_"] == b["training_"] and a["facts_"] == b["facts_"]


class Stop(Exception):
    """A power cut."""


def stopping(step: int, error: type[BaseException]):
    def progress(what: str, done: int, of: int) -> None:
        if done == step:
            raise error

    return progress


# -------------------------------------------------------------------------------------------------- what it computes


def test_it_is_the_plain_loop_that_one_would_write(pairs):
    settings = {"epochs": 3, "batch": 30, "rate": 0.02, "momentum": 0.8, "decay": 0.1, "warmup": 0.25, "final": 0.1}
    found = Toy(**settings, held_out=0.0, dropout=0.0, seed=3).fit(pairs)

    torch.manual_seed(3)
    images, texts = nn.Linear(8, 4), nn.Linear(6, 4)
    matrices, biases = [images.weight, texts.weight], [images.bias, texts.bias]
    optimiser = torch.optim.AdamW(
        [{"params": matrices}, {"params": biases, "weight_decay": 0.0}], lr=0.02, betas=(0.8, 0.999), weight_decay=0.1
    )
    # Nine steps: 2.25 of them rise, the rest fall along half a cosine to a tenth.
    fall = [0.1 + 0.9 * (1 + math.cos(math.pi * (step - 2.25) / 6.75)) / 2 for step in range(3, 9)]
    rates = iter([0.02 * share for share in [1 / 3.25, 2 / 3.25, 3 / 3.25, *fall]])
    means = []
    for epoch in range(3):
        losses = []
        for rows in np.array_split(np.random.default_rng([3, epoch]).permutation(80), 3):
            owner = pairs.owner[rows]
            u = nn.functional.normalize(images(torch.from_numpy(pairs.images[owner])))
            v = nn.functional.normalize(texts(torch.from_numpy(pairs.texts[rows])))
            logits, mine = 5 * u @ v.T, torch.from_numpy(owner[:, None] == owner)
            rows_of, columns_of = logits.log_softmax(1), logits.log_softmax(0)
            loss = -sum(rows_of[i][mine[i]].mean() + columns_of[:, i][mine[:, i]].mean() for i in range(len(rows)))
            loss = loss / 2 / len(rows)
            rate = next(rates)
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item() * len(rows))
        means.append(sum(losses) / 80)
    np.testing.assert_allclose([epoch["contrastive"] for epoch in found.training_["epochs"]], means, rtol=1e-5)
    np.testing.assert_allclose(found.weights_["images.1.weight"], images.weight.detach(), atol=1e-5)
    np.testing.assert_allclose(found.weights_["texts.bias"], texts.bias.detach(), atol=1e-5)


def test_a_batch_is_texts_with_their_own_pictures_and_labels(pairs):
    toy = Watching(epochs=1, held_out=0.0)
    type(toy).needs, before = "labels", type(toy).needs
    try:
        toy.fit(pairs)
    finally:
        type(toy).needs = before
    seen = []
    for batch, shape in toy._batches:
        index, owner = batch.index.numpy(), batch.owner.numpy()
        np.testing.assert_array_equal(owner, pairs.owner[index])
        np.testing.assert_array_equal(batch.images, pairs.images[owner])
        np.testing.assert_array_equal(batch.texts, pairs.texts[index])
        np.testing.assert_array_equal(batch.labels, pairs.labels[owner])
        assert shape == (len(index), 4)
        seen.extend(index)
    assert sorted(seen) == list(range(80))
    assert {len(batch.index) for batch, _ in toy._batches} == {16}
    assert [batch.done for batch, _ in toy._batches] == [0.0, 0.2, 0.4, 0.6, 0.8]


def test_no_step_is_smaller_than_the_others_by_more_than_one(pairs):
    toy = Watching(epochs=1, batch=79, held_out=0.0).fit(pairs)
    assert [len(batch.index) for batch, _ in toy._batches] == [40, 40]


@pytest.mark.parametrize("meet", [4, 7])
def test_pictures_that_are_to_meet_share_a_batch_with_all_their_texts(pairs, meet):
    toy = Watching(epochs=2, batch=8, held_out=0.0, meet=meet).fit(pairs)
    order = [np.concatenate([one.index.numpy() for one, _ in part]) for part in (toy._batches[:10], toy._batches[10:])]
    runs = [pairs.owner[texts] // meet for texts in order]
    for texts, run in zip(order, runs, strict=True):
        assert sorted(texts) == list(range(80))
        assert np.count_nonzero(np.diff(run)) == math.ceil(40 / meet) - 1
    assert (runs[0] != runs[1]).any() and (np.diff(runs[0]) < 0).any() and (np.diff(order[0][runs[0] == 0]) < 0).any()


def test_pictures_that_are_to_meet_are_kept_aside_together(pairs):
    toy = Watching(epochs=1, held_out=0.25, meet=4).fit(pairs)
    assert toy.facts_["images"] == 32
    rows = {row.tobytes(): number for number, row in enumerate(pairs.images)}
    seen = {rows[row.numpy().tobytes()] for batch, _ in toy._batches for row in batch.images}
    assert {4 * (row // 4) + k for row in seen for k in range(4)} == seen


def test_labels_are_hidden_from_those_that_do_not_learn_from_them(pairs):
    toy = Watching(epochs=1).fit(pairs)
    assert all(batch.labels is None for batch, _ in toy._batches)
    assert toy.facts_ == {"images": 36, "texts": 72, "image_width": 8, "text_width": 6, "classes": None}


def test_sparse_dense_and_double_rows_are_the_same_to_it(pairs):
    made = Toy().fit(pairs)
    for change in (sparse.csr_matrix, sparse.coo_matrix, lambda rows: rows.astype(np.float64)):
        other = replace(pairs, images=change(pairs.images), texts=change(pairs.texts))
        assert same(Toy().fit(other), made)
        np.testing.assert_array_equal(made.encode_texts(change(pairs.texts)), made.encode_texts(pairs.texts))


def test_read_only_rows_pass_without_a_warning_and_unchanged(pairs, recwarn):
    pairs.images.setflags(write=False)
    before = pairs.images.copy()
    made = Toy().fit(pairs)
    made.encode_images(pairs.images)
    assert not recwarn.list
    np.testing.assert_array_equal(pairs.images, before)


class Letters(nn.Module):
    """A head that takes strings: it counts a, b and c."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3, 4)

    def forward(self, strings):
        assert isinstance(strings, list)
        return self.map(
            torch.tensor([[text.count(letter) for letter in "abc"] for text in strings]).float().view(-1, 3)
        )


class Mean(nn.Module):
    """A head that takes sets of tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, 4)

    def forward(self, tokens):
        return self.map(tokens.mean(dim=1))


@dataclass
class Opaque(Toy):
    def network(self, facts):
        assert facts["text_width"] is None
        return parts.heads.Network(images=Mean(facts["image_width"]), texts=Letters())


def test_token_sets_and_strings_reach_the_head_as_they_are(pairs):
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((40, 5, 7)).astype(np.float32)
    texts = ["abc"[i % 3] * (1 + i // 3) for i in range(80)]
    made = Opaque().fit(pairs.features(tokens, texts))
    assert made.encode_images(tokens[:3]).shape == (3, 4)
    assert made.encode_texts(texts).shape == (80, 4)
    assert made.encode_texts([]).shape == (0, 4)
    with pytest.raises(BadInput, match="texts are feature rows; this method was fitted on paths or strings"):
        made.encode_texts(pairs.texts)
    with pytest.raises(BadInput, match="images are 6 wide; this method was fitted on 7"):
        made.encode_images(tokens[:, :, :6])


# --------------------------------------------------------------------------------------------- choosing the best epoch


def test_pictures_kept_aside_reach_no_loss_with_any_of_their_texts(pairs):
    toy = Watching(held_out=0.25).fit(pairs)
    shown = {row.tobytes() for batch, _ in toy._batches for row in batch.images.numpy()}
    told = {row.tobytes() for batch, _ in toy._batches for row in batch.texts.numpy()}
    aside = [row for row in range(40) if pairs.images[row].tobytes() not in shown]
    assert (len(aside), len(shown), len(told)) == (10, 30, 60)
    assert not told & {pairs.texts[row].tobytes() for row in np.flatnonzero(np.isin(pairs.owner, aside))}


@pytest.mark.parametrize(("needs", "measure"), [("pairs", "mrr"), ("labels", "map@all")])
def test_the_epoch_chosen_is_the_best_on_pictures_kept_aside(pairs, monkeypatch, needs, measure):
    monkeypatch.setattr(Watching, "needs", needs)
    toy = Watching(held_out=0.25, epochs=12, rate=0.3, patience=12).fit(pairs)
    scores = [epoch["held_out"] for epoch in toy.training_["epochs"]]
    assert toy.training_["chosen"] == int(np.argmax(scores)) < len(scores) - 1
    # The weights are those of that epoch: they score what it scored, measured from outside.
    shown = {row.tobytes() for batch, _ in toy._batches for row in batch.images.numpy()}
    held = pairs.select([row for row in range(40) if pairs.images[row].tobytes() not in shown])
    images, texts = toy.encode_images(held.images), toy.encode_texts(held.texts)
    match = held.owner == np.arange(held.n_images)[:, None]
    labels = held.labels if needs == "labels" else np.eye(held.n_images, dtype=bool)
    judged = SharedLabels(labels, labels[held.owner])
    assert needs == "labels" or np.array_equal(judged.relevant(0, held.n_images), match)
    found = [
        np.nanmean(measures.evaluate([measure], ranking.rankings(*way))[measure])
        for way in ((images, texts, toy.space, judged), (texts, images, toy.space, judged.transposed()))
    ]
    assert np.mean(found) == pytest.approx(max(scores), abs=1e-6)


def test_it_stops_when_patience_is_over(pairs):
    toy = Toy(held_out=0.25, epochs=60, rate=0.3, patience=2).fit(pairs)
    assert toy.training_["ended"] == "no better epoch"
    assert len(toy.training_["epochs"]) == toy.training_["chosen"] + 1 + 2


def test_without_pictures_aside_the_last_epoch_counts(pairs):
    toy = Toy(held_out=0.0, patience=1).fit(pairs)
    assert (toy.training_["chosen"], toy.training_["ended"], len(toy.training_["epochs"])) == (3, "all epochs", 4)
    assert "held_out" not in toy.training_["epochs"][0]


def test_no_epochs_leave_the_network_as_it_was_drawn(pairs):
    @dataclass
    class Started(Game):
        def epoch_start(self, net, train, epoch):
            raise AssertionError("what an epoch begins with is training, too")

    toy = Started(epochs=0).fit(pairs)
    with torch.random.fork_rng():
        torch.manual_seed(toy.seed)
        net = toy.network(toy.facts_)
    drawn = {name: tensor.numpy() for name, tensor in net.state_dict().items() if not name.startswith("memory")}
    assert drawn.keys() == toy.weights_.keys()
    for name, tensor in drawn.items():
        np.testing.assert_array_equal(toy.weights_[name], tensor)
    assert toy.training_ == {"epochs": [], "chosen": -1, "ended": "all epochs"}
    assert toy.encode_images(pairs.images).shape == (40, 4)


# ------------------------------------------------------------------------------------------------------- it repeats


def test_same_seed_same_bits_and_nobody_elses_chance_is_touched(pairs):
    first = Game().fit(pairs)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    second = Game().fit(pairs)
    second.encode_images(pairs.images)
    assert torch.equal(torch.get_rng_state(), before)
    assert same(first, second)
    assert not same(first, Game(seed=1).fit(pairs))
    assert same(second.fit(replace(pairs, texts=-pairs.texts)).fit(pairs), first)


@pytest.mark.parametrize("step", [1, 6, 10, 19])
def test_an_interrupted_run_goes_on_to_the_very_same_end(pairs, tmp_path, step):
    whole = Game(held_out=0.1).fit(pairs)
    with pytest.raises(Stop):
        Game(held_out=0.1).fit(pairs, keep=tmp_path, progress=stopping(step, Stop))
    (tmp_path / "training.new").write_bytes(b"half of a checkpoint")
    steps = []
    resumed = Game(held_out=0.1).fit(pairs, keep=tmp_path, progress=lambda what, done, of: steps.append(done))
    assert same(resumed, whole)
    assert steps == list(range((step - 1) // 5 * 5 + 1, 21))
    assert same(
        Game(held_out=0.1).fit(pairs, keep=tmp_path, progress=stopping(1, Stop)), whole
    )  # nothing is left to do


def test_an_early_stop_is_the_same_after_an_interruption(pairs, tmp_path):
    toy = Toy(held_out=0.25, epochs=60, rate=0.3, patience=2)
    whole = replace(toy).fit(pairs)
    step = 4 * whole.training_["chosen"] + 6
    with pytest.raises(Stop):
        replace(toy).fit(pairs, keep=tmp_path, progress=stopping(step, Stop))
    assert same(replace(toy).fit(pairs, keep=tmp_path), whole)


def test_a_checkpoint_of_another_training_is_refused(pairs, tmp_path):
    Toy(epochs=1).fit(pairs, keep=tmp_path)
    with pytest.raises(BadInput, match=r"training\.pt is of another training \(it differs in epochs, rate\)"):
        Toy(epochs=2, rate=0.5).fit(pairs, keep=tmp_path)
    for other in (
        replace(pairs, texts=pairs.texts * 2),
        replace(pairs, owner=pairs.owner[::-1]),
        replace(pairs, images=sparse.csr_matrix(pairs.images) * 2),
    ):
        with pytest.raises(BadInput, match="differs in data"):
            Toy(epochs=1).fit(other, keep=tmp_path)


def test_a_damaged_checkpoint_is_one_clear_line(pairs, tmp_path):
    Toy(epochs=1).fit(pairs, keep=tmp_path)
    whole = (tmp_path / "training.pt").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"not a checkpoint"):
        (tmp_path / "training.pt").write_bytes(damaged)
        with pytest.raises(BadInput, match="does not read as a checkpoint") as error:
            Toy(epochs=1).fit(pairs, keep=tmp_path)
        assert "\n" not in str(error.value)


# ---------------------------------------------------------------------------------------------------------- ctrl-C


def test_ctrl_c_keeps_the_best_so_far(pairs):
    toy = Toy(held_out=0.0).fit(pairs, progress=stopping(13, KeyboardInterrupt))
    assert (toy.training_["ended"], toy.training_["chosen"]) == ("by hand", 1)
    # The outputs are those of a run whose weights were looked at after two epochs.
    seen = {}

    @dataclass
    class Looking(Toy):
        def epoch_end(self, net, train, epoch):
            seen[epoch] = {name: tensor.detach().clone() for name, tensor in net.named_parameters()}

    Looking(held_out=0.0).fit(pairs)
    assert toy.weights_.keys() == seen[1].keys()
    for name, value in toy.weights_.items():
        np.testing.assert_array_equal(value, seen[1][name])
    assert toy.encode_images(pairs.images).shape == (40, 4)


def test_ctrl_c_takes_the_best_epoch_not_the_last(pairs):
    toy = Toy(held_out=0.25, epochs=60, rate=0.3, patience=2)
    whole = replace(toy).fit(pairs)
    step = 4 * (whole.training_["chosen"] + 2) + 1
    cut = replace(toy).fit(pairs, progress=stopping(step, KeyboardInterrupt))
    assert cut.training_["ended"] == "by hand"
    assert cut.training_["chosen"] == whole.training_["chosen"] < len(cut.training_["epochs"]) - 1
    np.testing.assert_array_equal(cut.weights_["texts.weight"], whole.weights_["texts.weight"])


def test_a_fit_that_fails_leaves_what_was_learned_before(pairs):
    @dataclass
    class Peeking(Toy):
        def epoch_end(self, net, train, epoch):
            self._net = net

    method = Peeking().fit(pairs)
    before = method.encode_images(pairs.images)
    with pytest.raises(Stop):
        method.fit(pairs.select(np.arange(20)), progress=stopping(5, Stop))
    np.testing.assert_array_equal(method.encode_images(pairs.images), before)


def test_ctrl_c_before_anything_was_learned_stops_everything(pairs):
    with pytest.raises(KeyboardInterrupt):
        Toy().fit(pairs, progress=stopping(2, KeyboardInterrupt))


# ------------------------------------------------------------------------------------------- players, memory, hooks


def test_each_player_moves_its_own_parameters_and_no_others(pairs):
    @dataclass
    class Half(Game):
        resting = ""

        def players(self, net):
            silent = lambda *_: {}  # noqa: E731
            return [replace(one, loss=silent) if one.name == self.resting else one for one in super().players(net)]

    def moved(resting: str) -> set[str]:
        Half.resting = resting
        torch.manual_seed(0)
        before = Half().network({"image_width": 8, "text_width": 6, "texts": 80})
        after = Half(epochs=1, held_out=0.0).fit(pairs).weights_
        return {
            name.partition(".")[0]
            for name, one in before.named_parameters()
            if not np.array_equal(one.detach(), after[name])
        }

    assert moved("") == {"images", "texts", "judge"}
    assert moved("towers") == {"judge"}
    assert moved("judge") == {"images", "texts"}


def test_a_parameter_that_nobody_moves_is_an_error(pairs):
    @dataclass
    class Forgetful(Game):
        def players(self, net):
            return super().players(net)[:1]

    with pytest.raises(TypeError, match=r"Forgetful\.players: nobody moves judge\.weight, judge\.bias"):
        Forgetful().fit(pairs)


def test_what_is_frozen_stays_as_it_was(pairs):
    @dataclass
    class Frozen(Toy):
        def network(self, facts):
            net = super().network(facts)
            net.texts.requires_grad_(False)
            return net

    torch.manual_seed(0)
    before = Frozen().network({"image_width": 8, "text_width": 6})
    np.testing.assert_array_equal(Frozen().fit(pairs).weights_["texts.weight"], before.texts.weight)


def test_what_is_frozen_stays_as_it_was_among_players_too(pairs):
    @dataclass
    class Frozen(Game):
        def network(self, facts):
            net = super().network(facts)
            net.images.requires_grad_(False)
            return net

    torch.manual_seed(0)
    before = Frozen().network({"image_width": 8, "text_width": 6, "texts": pairs.n_texts})
    after = Frozen(epochs=2).fit(pairs).weights_
    for name, tensor in before.images.named_parameters():
        np.testing.assert_array_equal(after[f"images.{name}"], tensor.detach())
    assert not np.array_equal(after["texts.weight"], before.texts.weight)


def test_memory_serves_training_and_is_not_kept(pairs, tmp_path):
    made = Game(held_out=0.0).fit(pairs)
    assert {name.partition(".")[0] for name in made.weights_} == {"images", "texts", "judge"}
    assert made.training_["epochs"][0].keys() == {
        "towers contrastive",
        "towers memory",
        "towers fooled",
        "judge judge",
    }
    made.save_pretrained(tmp_path)
    assert load_file(tmp_path / "weights.safetensors").keys() == {f"weights_.{name}" for name in made.weights_}


def test_hooks_come_before_and_after_each_epoch_and_see_what_is_learned_from(pairs):
    calls = []

    @dataclass
    class Hooked(Toy):
        def epoch_start(self, net, train, epoch):
            calls.append(("start", epoch, train.n_texts, self.outputs(net.texts, train.texts).shape))

        def epoch_end(self, net, train, epoch):
            # Dropout is off for outputs, and on again for the steps after them.
            one, two = (self.outputs(net.images, train.images) for _ in range(2))
            np.testing.assert_array_equal(one, two)
            assert net.images.training
            calls.append(("end", epoch, train.n_texts, one.shape))

    Hooked(epochs=2).fit(pairs)
    both = [("start", 72, (72, 4)), ("end", 72, (36, 4))]
    assert calls == [(when, epoch, *rest) for epoch in range(2) for when, *rest in both]


# ------------------------------------------------------------------------------------------------- keeping and saying


def test_progress_tells_the_terms_of_the_last_epoch(pairs):
    told = []
    toy = Toy(held_out=0.1).fit(pairs, progress=lambda *what: told.append(what))
    assert [done for _, done, _ in told] == list(range(1, 21))
    assert {of for *_, of in told} == {20}
    first = toy.training_["epochs"][0]
    assert told[5][0].endswith(
        f"epoch 2 of 4, contrastive {first['contrastive']:.4g}, held_out {first['held_out']:.4g}"
    )


def test_without_torch_it_says_how_to_get_it(pairs, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"needs torch: pip install 'diptych\[torch\]'"):
        Toy().fit(pairs)


@pytest.mark.parametrize(
    "wrong", [{"epochs": -1}, {"batch": 0}, {"patience": 0}, {"held_out": 1.0}, {"rate": 0.0}, {"momentum": -0.1}]
)
def test_a_setting_out_of_bounds_is_bad_input(pairs, wrong):
    with pytest.raises(BadInput, match=next(iter(wrong))):
        Toy(**wrong).fit(pairs)


def test_a_loss_that_is_no_number_is_said_so(pairs):
    @dataclass
    class Broken(Toy):
        def loss(self, net, images, texts, batch):
            return {"broken": (images * math.inf).sum()}

    with pytest.raises(BadInput, match=r"broken is (nan|-?inf) in epoch 1; lower `rate`"):
        Broken().fit(pairs)
