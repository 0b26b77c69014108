"""Token embeddings that grow at their end without touching what was pretrained."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class ExtendedEmbedding(nn.Module):
    """A vocabulary's embedding followed by tables of further tokens (markers, entities, relations).

    Ids count on: ``words`` has 0 … V-1, the first table begins at V. Each table stays a parameter of its own, so that
    it can be trained, or tied to an output, alone.
    """

    def __init__(self, words: nn.Embedding, new_tokens: dict[str, int]) -> None:
        """Adds a table of so many rows under each name, drawn like the words: normal, with their spread."""
        super().__init__()
        self.words = words
        words.padding_idx = None  # as transformers does where it resizes: padding gets the gradient it earns
        spread = float(words.weight.detach().std())
        self.new_tokens = nn.ModuleDict({name: nn.Embedding(n, words.embedding_dim) for name, n in new_tokens.items()})
        for table in self._new_tokens():
            nn.init.normal_(table.weight, std=spread)

    def _new_tokens(self) -> list[nn.Embedding]:
        return [table for table in self.new_tokens.values() if isinstance(table, nn.Embedding)]

    @property
    def weight(self) -> Float[Tensor, "V D"]:
        """All rows in the order of their ids."""
        return torch.cat([self.words.weight, *(table.weight for table in self._new_tokens())])

    @property
    def size(self) -> int:
        """The number of all rows."""
        return self.words.num_embeddings + sum(table.num_embeddings for table in self._new_tokens())

    def forward(self, ids: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape D"]:
        start = self.words.num_embeddings
        # An id beyond all tables stays what it is, and the look-up fails; one of a table's is replaced below.
        out = self.words(torch.where(ids < self.size, ids.clamp(max=start - 1), ids))
        for table in self._new_tokens():
            rows = ids - start
            mine = (rows >= 0) & (rows < table.num_embeddings)
            out = torch.where(mine[..., None], table(rows.clamp(0, table.num_embeddings - 1)), out)
            start += table.num_embeddings
        return out


def some_rows(table: Tensor, rows: slice) -> Tensor:
    """Some rows of a table; all of them are the table itself, as a slice of all would copy its gradient."""
    return table if rows == slice(None) else table[rows]
