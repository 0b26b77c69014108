"""Tags of words that mark spans, decoded by a CRF or each for itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from mkgc.errors import ConfigError
from mkgc.nn.crf import Crf
from mkgc.nn.independent_tags import IndependentTags

Decoder = Literal["crf", "softmax"]


class SpanTagger(nn.Module):
    """Scores every tag for each state with one linear layer; :attr:`tagging` reads losses and best tags off the scores.

    That is a CRF, or a softmax over each word's tags. With ``bio``, it knows which tags may follow which.

    Source: MKGformer (Chen et al., 2022), section 3.3.

    Raises:
        ConfigError: There is no such decoder.
    """

    def __init__(
        self, width: int, tags: Sequence[str], dropout: float = 0.1, bio: bool = True, decoder: Decoder = "crf"
    ) -> None:
        super().__init__()
        if decoder not in ("crf", "softmax"):
            raise ConfigError(f"task.model.decoder={decoder}: choose crf or softmax")
        self.dropout = nn.Dropout(dropout)
        self.emit = nn.Linear(width, len(tags))
        self.crf = Crf(tags, bio) if decoder == "crf" else None  # so its parameters are called
        self.softmax = IndependentTags(tags, bio) if decoder == "softmax" else None

    @property
    def tagging(self) -> Crf | IndependentTags:
        """The loss, best tags and marginals of scores."""
        chosen = self.softmax if self.crf is None else self.crf
        assert chosen is not None
        return chosen

    def forward(self, states: Float[Tensor, "B S D"]) -> Float[Tensor, "B S C"]:
        return self.emit(self.dropout(states))
