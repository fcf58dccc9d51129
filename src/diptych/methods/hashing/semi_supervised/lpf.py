"""Label prediction framework (Mandal, Rao & Biswas 2019, arXiv 1905.11139): a supervised method on few labels.

    p_I, p_T    what a classifier of each side gives each label, learned on the pairs that have labels
    accepted    a label of another pair is 1 where min(p_I, p_T) > t and 0 where max(p_I, p_T) < 1 - t
    at last     1 where (p_I + p_T) / 2 > 1/2; `base` learns from all pairs that have a label then

Both sides of a pair have to agree, since each sees what the other does not. Classifiers go on learning on what was
accepted, a little more in every epoch: t falls from `sure` to `least`.

`base` has its own settings, and of those that it has in common with this the values here.

Reconstruction: the abstract alone was at hand. Thresholds and their schedule, that labels are accepted one by one and
not pair by pair, and two layers as classifiers are choices of ours; nothing looks for pairs of classes never shown.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np

from diptych import parts
from diptych.kinds import Array, Pairs, Progress, hamming
from diptych.method import Batch, Descent, SomeLabels
from diptych.methods.hashing.supervised.dchuc import DCHUC
from diptych.methods.hashing.supervised.dcmh import DCMH
from diptych.methods.hashing.supervised.dsph import DSPH
from diptych.methods.hashing.supervised.hmah import HMAH
from diptych.parts.fitted import Above, AtLeast, Below


@dataclass
class LPF(SomeLabels, Descent):
    """base is the method that learns from the completed labels, with its own defaults besides what stands here.

    base_   the fitted base
    """

    space = hamming
    base: Literal["dcmh", "dchuc", "dsph", "hmah"] = "dcmh"
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    sure: Annotated[float, Above(0), Below(1)] = 0.9
    least: Annotated[float, Above(0), Below(1)] = 0.6
    batch: Annotated[int, AtLeast(3)] = 64

    def fit(  # type: ignore[override]
        self, train: Pairs, *, keep: Path | None = None, progress: Progress | None = None
    ) -> Self:
        train = self.told(train)
        Descent.fit(self, train, keep=keep and keep / "labels", progress=progress)
        labels = self.completed(train)
        told = replace(train, labels=labels).select(np.flatnonzero(labels.any(axis=1)))
        kind = next(kind for kind in (DCMH, DCHUC, DSPH, HMAH) if kind.paper_name() == self.base)
        common = {name: value for name, value in self.settings().items() if name in kind.__dataclass_fields__}
        self.base_ = kind(**common).fit(told, keep=keep and keep / self.base, progress=progress)
        return self

    def encode_images(self, items: Any) -> Array:
        return self.base_.encode_images(items)

    def encode_texts(self, items: Any) -> Array:
        return self.base_.encode_texts(items)

    def network(self, facts: dict[str, Any]) -> Any:
        table = (facts["texts"], facts["classes"])
        tables = parts.memory.Tables(labels=table, known=table)
        return parts.heads.coders(facts, self.hidden, facts["classes"], memory=tables)

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        from torch import from_numpy

        told = np.asarray(train.text_labels)
        known = np.broadcast_to(told.any(axis=1, keepdims=True), told.shape)
        if epoch:
            t = self.sure + (self.least - self.sure) * epoch / self.epochs
            p_I, p_T = self.believed(net, train)
            yes, no = np.minimum(p_I[train.owner], p_T) > t, np.maximum(p_I[train.owner], p_T) < 1 - t
            told, known = np.where(known, told, yes), known | yes | no
        net.memory.labels.copy_(from_numpy(told))
        net.memory.known.copy_(from_numpy(known.copy()))

    def believed(self, net: Any, pairs: Pairs) -> tuple[Array, Array]:
        """p_I of all pictures and p_T of all texts."""
        logits = (self.outputs(net.images, pairs.images), self.outputs(net.texts, pairs.texts))
        p_I, p_T = (1 / (1 + np.exp(-side)) for side in logits)
        return p_I, p_T

    def completed(self, train: Pairs) -> Array:
        """(n, C) labels of all pictures, predicted where they have none, from the picture and the mean of its texts."""
        p_I, p_T = self.believed(self.trained(), train)
        texts = np.zeros_like(p_I)
        np.add.at(texts, train.owner, p_T)
        number = np.bincount(train.owner, minlength=len(p_I))[:, None]
        predicted = (p_I + texts / np.maximum(number, 1)) / 2 > 0.5
        labels = np.asarray(train.labels)
        return np.where(labels.any(axis=1, keepdims=True), labels, predicted)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        from torch.nn.functional import binary_cross_entropy_with_logits as entropy

        labels, known = net.memory.labels[batch.index], net.memory.known[batch.index]
        wrong = [entropy(side, labels, known, reduction="sum") for side in (images, texts)]
        return {"labels": sum(wrong) / known.sum().clamp(min=1)}
