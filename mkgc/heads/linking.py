"""Entity linking: which of some entities a mention means."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mkgc.nn.full_products import full_products


class EntityLinking(nn.Module):
    """Scores candidates for mentions: LN(gelu(W h)) · e, of a mention's state h and a candidate's vector e.

    Candidates are vectors of nodes (:meth:`mkgc.encoders.knowledge.KnowledgeEncoder.node_vectors`), as a rule those of
    the entities that a batch mentions.

    Source: KLMo (He et al., 2021), section 3, the entity linking objective, in the form of its released code
    (BertEntPredictionHead_Span); ERNIE's denoising entity auto-encoder compares likewise (Zhang et al., 2019,
    section 3.4).
    """

    def __init__(self, width: int, node_width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, node_width)
        self.norm = nn.LayerNorm(node_width, eps=1e-12)

    def forward(self, states: Float[Tensor, "*shape D"], candidates: Float[Tensor, "C W"]) -> Float[Tensor, "*shape C"]:
        return full_products(self.norm(F.gelu(self.dense(states))), candidates)
