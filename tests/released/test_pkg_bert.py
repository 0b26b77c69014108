"""The inputs of the released PKG-Bert through our text encoder, against recordings of the authors' code."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from mkgc.batch import Text
from mkgc.encoders.text import TextEncoder, random_text

GOLDEN = Path(__file__).parents[1] / "golden"
near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}


class UnbiasedNorm(torch.nn.LayerNorm):
    """The norm of the released PKG-Bert: by the unbiased standard deviation, to which epsilon is added."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6) + self.bias


RENAMED = {
    "embedding.word_embedding": "embeddings.word_embeddings",
    "embedding.position_embedding": "embeddings.position_embeddings",
    "embedding.segment_embedding": "embeddings.token_type_embeddings",
    "embedding.visual_embedding": "project_features",
    "embedding.layer_norm": "embeddings.LayerNorm",
    "encoder.transformer": "layers",
    "self_attn.linear_layers.0": "block.attention.self.query",
    "self_attn.linear_layers.1": "block.attention.self.key",
    "self_attn.linear_layers.2": "block.attention.self.value",
    "self_attn.final_linear": "block.attention.output.dense",
    "layer_norm_1": "block.attention.output.LayerNorm",
    "feed_forward.linear_1": "block.intermediate.dense",
    "feed_forward.linear_2": "block.output.dense",
    "layer_norm_2": "block.output.LayerNorm",
    "gamma": "weight",
    "beta": "bias",
}


def released_pkg_bert(recorded: dict[str, torch.Tensor]) -> TextEncoder:
    sizes: dict[str, Any] = {
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 128,
    }
    config = {"model_type": "bert", "vocab_size": 133, "type_vocab_size": 3, "max_position_embeddings": 512, **sizes}
    model = random_text(config, feature_dim=6)
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.__class__ = UnbiasedNorm
    state = {}
    for name, value in recorded.items():
        if name.startswith(("w.embedding", "w.encoder")):
            ours = name.removeprefix("w.")
            for theirs, own in RENAMED.items():
                ours = ours.replace(theirs, own)
            state[ours] = value
    model.load_state_dict(state)
    return model.eval()


def test_sentence_trees_are_read_as_the_released_pkg_bert_reads_them() -> None:
    """Soft positions, a visible matrix and visual features at once; rows of padding attend everywhere there."""
    recorded = load_file(GOLDEN / "pkgbert_encoder.safetensors")
    ids, mask = recorded["in.src"].long(), recorded["in.vm"].bool().any(1)
    seen = Text(
        ids,
        mask,
        recorded["in.seg"].long(),
        positions=recorded["in.pos"].long(),
        visible=recorded["in.vm"].bool(),
        features=recorded["in.visual"],
    )
    model = released_pkg_bert(recorded)
    x = model.embed(seen)
    torch.testing.assert_close(x.states[mask], recorded["out.embedding"][mask], **near)
    for i in range(3):
        x = model.run(x, i, i + 1)
        torch.testing.assert_close(x.states[mask], recorded[f"out.layer.{i}"][mask], **near)
