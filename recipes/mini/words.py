"""The words that `mini` knows, and its text tower: weighted word vectors, and what each says beside its neighbours.

A word's vector is what its general meaning (GloVe: Pennington et al. 2014) says through a map that all words share, and
a rest of its own, learned where captions have the word. So a word that no caption has still points somewhere, and the
names of 1203 objects are laid out as CLIP's text tower lays them out (Radford et al. 2021). A convolution over three
words at a time (Kim, EMNLP 2014) adds what they mean together: a green tree beside a red umbrella is not a green
umbrella beside a red tree.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from student import centred
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor, nn
from torch.nn import functional as F

from diptych import parts
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast, Below

LENGTH = 48
"""Words of a text that are read."""
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class Lexicon:
    """What is known of words before any picture is seen.

    tokenizer   whole words, and pieces for others
    meanings    (V, 50) the direction of each token's GloVe vector; zeros where it has none
    names       object names
    near        (names, names) how alike CLIP finds them: cosines of centred text vectors
    """

    tokenizer: Tokenizer
    meanings: Any
    names: list[str]
    near: Any

    @classmethod
    def of(cls, pack: Mapping[str, bytes], texts: Iterable[str]) -> Lexicon:
        with np.load(io.BytesIO(pack["glove6B_50d_union.npz"])) as file:
            glove = dict(zip(file["words"].tolist(), file["vectors"], strict=True))
        glove = {word: vector for word, vector in glove.items() if _WORD.fullmatch(word)}
        with np.load(io.BytesIO(pack["clip_vitb32_text_lvis.npz"])) as file:
            names, rows = file["names"].tolist(), file["features"].astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows -= rows.mean(axis=0)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        made = tokenizer([*glove, *_WORD.findall(" ".join(names))], texts)
        meanings = np.zeros((made.get_vocab_size(), 50), dtype=np.float32)
        for word, at in made.get_vocab().items():
            if word in glove:
                meanings[at] = glove[word] / np.linalg.norm(glove[word])
        return cls(made, meanings, names, rows @ rows.T)

    def read(self, texts: list[str]) -> Any:
        """(n, LENGTH) int16 token numbers, 0 where a text has no more."""
        rows = np.zeros((len(texts), LENGTH), dtype=np.int16)
        for row, found in zip(rows, self.tokenizer.encode_batch(texts), strict=True):
            row[: len(found.ids)] = found.ids
        return rows


def tokenizer(known: Iterable[str], texts: Iterable[str]) -> Tokenizer:
    """Whole words: those known, and those that stand in two texts or more. Others are cut into the longest pieces."""
    counted = Counter(word for text in texts for word in set(_WORD.findall(text.lower())))
    words = sorted({*known, *(word for word, n in counted.items() if n > 1)})
    endings = Counter(word[at:] for word in words for at in range(1, len(word)) if len(word) - at < 6)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = sorted({*letters, *(end for end, n in endings.items() if n > 8)})
    vocabulary = ["[PAD]", "[UNK]", *sorted({*words, *letters}), *(f"##{piece}" for piece in pieces)]
    made = Tokenizer(models.WordPiece({word: at for at, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("removed")])
    made.enable_truncation(LENGTH)
    return made


class Phrases(nn.Module):
    """(b, LENGTH) token numbers -> (b, dims): the vectors of its words, and of every three in a row, summed up."""

    def __init__(self, meanings: Tensor, dims: int, forget: float, wide: int) -> None:
        super().__init__()
        n, width = meanings.shape
        self.register_buffer("meanings", meanings)
        self.shared = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, dims, bias=False))
        self.own = nn.Embedding(n, dims, padding_idx=0)
        nn.init.zeros_(self.own.weight)
        self.weight = nn.Parameter(torch.zeros(n, 1))
        self.forget = forget
        self.three = nn.Conv1d(dims, wide, 3, padding=1)
        self.together = nn.Linear(wide, dims, bias=False)
        nn.init.zeros_(self.together.weight)

    def vectors(self, tokens: Tensor) -> Tensor:
        """(n, dims) what each of n tokens adds to a text."""
        meanings = self.meanings[tokens]
        meant = (meanings.abs().sum(dim=1, keepdim=True) > 0).float()
        own = self.own(tokens)
        if self.training:  # now and then without its own vector, so that its meaning alone has to tell a word
            own = own * (torch.rand_like(meant) > self.forget * meant)
        return self.weight[tokens].exp() * (meant * self.shared(meanings) + own) * (tokens > 1)[:, None]

    def forward(self, texts: Tensor) -> Tensor:
        texts = texts[:, : max(1, int((texts > 0).sum(dim=1).max()))]
        tokens, place = texts.long().unique(return_inverse=True)
        return self.said(self.vectors(tokens)[place], texts > 1)

    def said(self, vectors: Tensor, known: Tensor) -> Tensor:
        """(b, dims) of the vectors of words in a row (b, words, dims), where they are known (b, words)."""
        beside = F.relu(self.three(vectors.transpose(1, 2))).transpose(1, 2) * known[..., None]
        return vectors.sum(dim=1) + self.together(beside.sum(dim=1))


class Look(nn.Module):
    """(b, views, sees) what was seen of pictures -> (b, dims): of the first view; in training, of any.

    mean   (teachers, width), as `centred` takes it
    """

    def __init__(self, mean: Tensor, hidden: int, dims: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.straight = nn.Sequential(nn.Dropout(0.2), nn.Linear(mean.numel(), dims))
        self.bent = nn.Sequential(
            nn.Linear(mean.numel(), hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, dims)
        )

    def forward(self, views: Tensor) -> Tensor:
        n = len(views)
        device = views.device
        seen = torch.randint(views.shape[1] if self.training else 1, (n,), device=device)
        return self.said(views[torch.arange(n, device=device), seen])

    def said(self, view: Tensor) -> Tensor:
        rows = 8 * centred(view, self.mean)
        return self.straight(rows) + self.bent(rows)


@dataclass
class Speak(Descent):
    """InfoNCE between views of pictures and their texts, while object names keep the neighbours that CLIP gives them.

    forget   how often a word has to do without its own vector
    wide     what three words in a row can say together
    names    weight of the neighbours of object names
    """

    dims: Annotated[int, AtLeast(1)] = 256
    hidden: Annotated[int, AtLeast(1)] = 768
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.5
    forget: Annotated[float, AtLeast(0), Below(1)] = 0.3
    wide: Annotated[int, AtLeast(1)] = 384
    names: Annotated[float, AtLeast(0)] = 0.3
    temperature: Annotated[float, Above(0)] = 0.07
    epochs: int = 6
    batch: int = 512
    rate: float = 2e-3
    decay: float = 0.05

    def knowing(self, lexicon: Lexicon, mean: Any) -> Speak:
        """Start from these words, and from this mean of what the student sees."""
        self._lexicon, self._mean = lexicon, mean
        return self

    def network(self, facts: dict[str, Any]) -> Any:
        memory = nn.Module()
        memory.register_buffer("names", torch.from_numpy(self._lexicon.read(self._lexicon.names)))
        memory.register_buffer("near", torch.from_numpy(self._lexicon.near))
        return parts.heads.Network(
            images=Look(torch.as_tensor(self._mean), self.hidden, self.dims, self.dropout),
            texts=Phrases(torch.from_numpy(self._lexicon.meanings), self.dims, self.forget, self.wide),
            temperature=parts.heads.Temperature(self.temperature),
            memory=memory,
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        logits = net.temperature(parts.losses.cosines(images, texts))
        some = torch.randperm(len(net.memory.names), device=images.device)[:256]
        named = F.normalize(net.texts(net.memory.names[some]), dim=-1)
        itself = torch.eye(len(some), dtype=torch.bool, device=images.device)
        ours = (named @ named.T / 0.1).masked_fill(itself, -1e4).log_softmax(dim=1)
        theirs = (net.memory.near[some][:, some] / 0.1).masked_fill(itself, -1e4).softmax(dim=1)
        return {
            "contrastive": parts.losses.contrastive(logits, parts.targets.same_picture(batch.owner)),
            "names": self.names * F.kl_div(ours, theirs, reduction="batchmean"),
        }
