"""The base of models that know entities by their images too: the vectors of all images, and whose they are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mkgc.data.examples import ImagePaths
from mkgc.data.settings import DataSettings
from mkgc.encoders.vision import VisionEncoder
from mkgc.errors import ConfigError, DataError
from mkgc.images.features import image_vectors
from mkgc.images.loaded import LoadedImages
from mkgc.kge.comparisons import Comparison
from mkgc.kge.model import KGEModel


class ImageAware(KGEModel):
    """A model of entities that may have images: none, one or several each.

    Images are vectors of a frozen encoder, of length 1, made once before training (:meth:`prepare`) and kept with the
    weights. The encoder is neither trained nor saved: a trained model is built again without it.

    An entity without images is known by its structure alone; how, each model says.
    """

    gathers = True
    vectors: Float[Tensor, "P F"]
    owners: Int[Tensor, " P"]
    max_images = 0
    """The most images that an entity has."""

    def __init__(
        self,
        entities: int,
        relations: int,
        width: int,
        relation_width: int,
        comparison: Comparison,
        vision: VisionEncoder | None,
    ) -> None:
        super().__init__(entities, relations, width, relation_width, comparison, sparse=False)
        self._vision = (vision,)  # in a tuple, the encoder is none of the module's parts
        self.register_buffer("vectors", torch.empty(0, 0 if vision is None else vision.width))
        self.register_buffer("owners", torch.empty(0, dtype=torch.long))

    @property
    def features(self) -> int:
        """The width F of an image's vector; 0 as long as none is known."""
        return self.vectors.shape[1]

    @abstractmethod
    def fit(self) -> None:
        """Makes and draws anew the parameters whose shape depends on :attr:`features`."""

    def prepare(
        self,
        images: Sequence[ImagePaths],
        triples: Int[Tensor, "n 3"],
        store: LoadedImages,
        settings: DataSettings,
    ) -> None:
        """Looks at all images, to be called once before training; ``triples`` are those of the training split.

        Raises:
            ConfigError: The model was built without an encoder.
        """
        vision = self._vision[0]
        if vision is None:
            raise ConfigError("a model of images was built without backbone.vision: nothing can look at them")
        vision.to(self.vectors.device)
        vectors, owners = image_vectors(images, store, settings.images, vision)
        vision.cpu()  # its work is done, and the accelerator's memory is for what learns
        self.see(vectors, owners)
        self.judge(triples)

    @torch.no_grad()
    def see(self, vectors: Float[Tensor, "P F"], owners: Int[Tensor, " P"]) -> None:
        """Takes the images' vectors, in place of any it had; ``owners`` are the entities they belong to.

        Raises:
            DataError: An owner is no entity.
        """
        count = self.entities.num_embeddings
        if len(owners) and not 0 <= int(owners.min()) <= int(owners.max()) < count:
            raise DataError(f"owners of images reach from {owners.min()} to {owners.max()}, but entities are {count}")
        order = owners.argsort(stable=True)
        resized = vectors.shape[1] != self.features
        self.vectors = F.normalize(vectors[order].to(self.entities.weight))
        self.owners = owners[order].to(self.owners.device)
        self._count()
        if resized:
            self.fit()

    def judge(self, triples: Int[Tensor, "n 3"]) -> None:
        """Decides what images are good for, where a model asks that; called when they have been seen."""

    def _count(self) -> None:
        counts = torch.bincount(self.owners, minlength=1)
        self.max_images = int(counts.max())

    def look(
        self, rows: slice | Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "p F"], Int[Tensor, " p"], Bool[Tensor, " p"]]:
        """The vectors of the images of some entities, of which of ``rows`` each one is, and whether there is one.

        Of some entities, each has as many places as the one with the most images; those it has none for are False.
        """
        if isinstance(rows, slice):
            if rows == slice(None):
                return self.vectors, self.owners, torch.ones_like(self.owners, dtype=torch.bool)
            rows = torch.arange(self.entities.num_embeddings, device=self.owners.device)[rows]
        rows = rows.contiguous()
        starts = torch.searchsorted(self.owners, rows)[:, None]
        ends = torch.searchsorted(self.owners, rows, right=True)[:, None]
        which = starts + torch.arange(self.max_images, device=rows.device)
        place = torch.arange(len(rows), device=rows.device)[:, None].expand_as(which)
        vectors = self.vectors[which.clamp(max=len(self.owners) - 1).flatten()]
        return vectors, place.flatten(), (which < ends).flatten()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """Makes room for as many images, and for vectors as wide, as were saved."""
        saved = state_dict.get(f"{prefix}vectors")
        if saved is not None:
            resized = saved.shape[1] != self.features
            self.vectors = self.vectors.new_empty(saved.shape)
            self.owners = self.owners.new_empty(len(saved))
            if resized:
                self.fit()
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self._count()
