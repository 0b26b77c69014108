"""PKG-Bert: a text encoder that reads sentence trees with images, and one vector of a text in a teacher's space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from mkgc.app.ranges import Natural
from mkgc.batch import Text
from mkgc.encoders.base import Stream
from mkgc.encoders.frozen import FrozenPrefix
from mkgc.encoders.text import TextEncoder
from mkgc.errors import ConfigError
from mkgc.heads.text_vector import TextVector


class PkgBert(nn.Module):
    """BERT over a sentence tree: soft positions, a visible matrix, and what images add to the embeddings.

    The tree and the vectors of images are parts of the batch (:class:`mkgc.batch.Text`); of a text without them, this
    is BERT. With ``trainable_layers``, only so many of the uppermost layers learn. Their states are not kept in files,
    as what is hidden of a text differs from epoch to epoch.

    The size of a teacher's space is not known before its data are read: :meth:`enter_space` adds what reads and makes
    vectors of that size.

    Source: PKG-Bert, as far as its released code (liyuqing1/PKG-Bert) says.
    """

    def __init__(self, text: TextEncoder, trainable_layers: Natural | None = None) -> None:
        super().__init__()
        self.text = text
        self._lower = FrozenPrefix(text, trainable_layers)
        self.vector: TextVector | None = None

    @property
    def width(self) -> int:
        """Of a state."""
        return self.text.width

    @property
    def keeps_images(self) -> bool:
        """No image is read here: vectors of images are."""
        return False

    @property
    def frozen_prefixes(self) -> Mapping[str, FrozenPrefix]:
        """None whose states are kept."""
        return {}

    def enter_space(self, dim: int, visual: bool, vectors: bool) -> None:
        """Adds what reads the ``visual`` vectors of pieces, and what makes ``vectors`` of texts, of ``dim`` numbers."""
        if visual:
            self.text.add_features(dim)
        if vectors:
            self.vector = TextVector(self.width, dim)

    def forward(self, text: Text) -> Float[Tensor, "B T D"]:
        """The states of all pieces behind the last layer."""
        below: Stream = self._lower.compute(text)
        return self.text.final_norm(self.text.run(below, self._lower.count).states)

    def vectors(self, states: Float[Tensor, "B T D"]) -> Float[Tensor, "B F"]:
        """The vector of each text, of its states; no unit vector.

        Raises:
            ConfigError: The model has learned none.
        """
        if self.vector is None:
            raise ConfigError("this model has no vectors of texts: it was not trained towards a teacher's")
        return self.vector(self.text.pool(states))

    def architecture_configs(self) -> dict[str, Any]:
        """A configuration that builds the text encoder again without weights."""
        return {"text": self.text.architecture_config()}
