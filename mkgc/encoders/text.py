"""Text encoders: the embeddings and layers of any BERT-like model of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig

from mkgc.app.unknown import no_such_key
from mkgc.batch import Text
from mkgc.encoders.base import Encoder, Stream
from mkgc.encoders.words import CLASSES, check_vectors
from mkgc.errors import ConfigError
from mkgc.nn.attention import gather_mask
from mkgc.nn.embeddings import ExtendedEmbedding
from mkgc.nn.layers import TextLayer

PADDED_POSITIONS = ("roberta", "camembert", "data2vec", "xmod")
"""Families that give padding a position of its own, in their names."""


BUILDERS = (f"{__name__}.random_text", f"{__name__}.pretrained_text", "mkgc.released.chinese_clip.text_tower")
"""The functions that a configuration names to have a text encoder."""

WORDED = ("model_type", "hidden_act", "position_embedding_type", "dtype")
"""Values of an architecture beside numbers. The rest of transformers' texts name places, and code that lies there."""


class TextEncoder(Encoder):
    """T-Encoder: embeddings, then post-norm layers; fusions take the last ones over.

    With ``feature_dim``, texts may bring so many features a token, whose projection is added to the embeddings. It has
    no bias, so that a token whose features are all 0 is read as one without.

    Raises:
        ConfigError: The model is not of the BERT family.
    """

    embeddings: Any  # transformers' own, of whichever family

    def __init__(self, model: Any, feature_dim: int | None = None) -> None:
        super().__init__()
        layers = getattr(getattr(model, "encoder", None), "layer", None)
        if layers is None or not hasattr(layers[0], "intermediate") or not hasattr(model, "embeddings"):
            raise ConfigError(
                f"{type(model).__name__} is no BERT-like encoder: choose a BERT, RoBERTa or XLM-RoBERTa model"
            )
        self.config: PretrainedConfig = model.config
        self.embeddings = model.embeddings
        self.layers = nn.ModuleList(TextLayer(block) for block in layers)
        self.width: int = model.config.hidden_size
        self.feature_dim: int | None = None
        if feature_dim is not None:
            self.add_features(feature_dim)

    @property
    def words(self) -> nn.Embedding | ExtendedEmbedding:
        """The token embedding."""
        return self.embeddings.word_embeddings

    def add_tokens(self, new_tokens: dict[str, int]) -> ExtendedEmbedding:
        """Adds tables of new tokens behind the vocabulary and returns the joint embedding."""
        if isinstance(self.words, ExtendedEmbedding):
            raise ConfigError("the text encoder has been given new tokens already")
        self.embeddings.word_embeddings = extended = ExtendedEmbedding(self.words, new_tokens)
        return extended

    def add_features(self, dim: int) -> None:
        """Lets texts bring so many features a token, if they do not yet.

        Raises:
            ConfigError: They bring another number of them.
        """
        if self.feature_dim not in (None, dim):
            raise ConfigError(f"the text encoder reads {self.feature_dim} features a token, and is given {dim}")
        if self.feature_dim is None:
            self.project_features = nn.Linear(dim, self.words.weight.shape[1], bias=False)
            nn.init.normal_(self.project_features.weight, std=self.config.initializer_range)
            self.feature_dim = dim

    @property
    def learns_tokens(self) -> bool:
        """Whether it was given new tokens."""
        return isinstance(self.words, ExtendedEmbedding) and bool(self.words.new_tokens)

    def embedding_modules(self) -> list[nn.Module]:
        projected = [] if self.feature_dim is None else [self.project_features]
        return [self.embeddings, *projected]

    def embed(self, text: Text) -> Stream:
        """The input of the first layer.

        Raises:
            ConfigError: The text is longer than the model's position table, or has features that cannot be read.
        """
        most = positions(self.config)
        if text.ids.shape[1] > most:
            raise ConfigError(
                f"a text of {text.ids.shape[1]} tokens is longer than the encoder's {most}: lower data.max_length"
            )
        embedded = self.embeddings(
            input_ids=text.ids,
            token_type_ids=text.segments,
            position_ids=None if text.positions is None else text.positions + first_position(self.config),
            inputs_embeds=None if text.features is None else self.words(text.ids) + self._projected(text.features),
        )
        return Stream(embedded, text.attention_mask)

    def _projected(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B T E"]:
        if features.shape[-1] != self.feature_dim:
            raise ConfigError(f"texts with {features.shape[-1]} features a token, for feature_dim={self.feature_dim}")
        return self.project_features(features.to(self.project_features.weight.dtype))

    def run_last(self, x: Stream, position_ids: Int[Tensor, " B"] | None) -> Stream:
        """The states behind the last layer, of those before it; with ``position_ids``, only there and no others."""
        last = self.layers[-1]
        attended = last.self_attention(x.states, x.mask, position_ids=position_ids)
        mask = gather_mask(x.mask, position_ids)
        return Stream(last.feed_forward(attended.state), mask, attended.key_value)

    def architecture_config(self) -> dict[str, Any]:
        numbers = {k: v for k, v in self.config.to_dict().items() if v is None or isinstance(v, int | float)}
        words = {
            key: str(getattr(self.config, key)) for key in WORDED if isinstance(getattr(self.config, key, None), str)
        }
        node = {"_target_": f"{__name__}.random_text", "_convert_": "all", "config": numbers | words}
        return node if self.feature_dim is None else node | {"feature_dim": self.feature_dim}


def first_position(config: PretrainedConfig) -> int:
    """The row of the position table that a text begins with: in RoBERTa and its kin, behind the padding index."""
    return (config.pad_token_id or 0) + 1 if any(name in config.model_type for name in PADDED_POSITIONS) else 0


def positions(config: PretrainedConfig) -> int:
    """How many tokens of a text an encoder can read."""
    return config.max_position_embeddings - first_position(config)


def text_parts(backbone: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The parts of a backbone's configuration that are text encoders, of pieces or of words, by their keys."""
    nodes = {key: node for key, node in backbone.items() if isinstance(node, Mapping)}
    return {key: node for key, node in nodes.items() if node.get("_target_") in (*BUILDERS, *CLASSES)}


def check_length(backbone: Mapping[str, Any], max_length: int) -> None:
    """Compares ``data.max_length`` with the positions of a backbone's text encoder, which is not built for that.

    Raises:
        ConfigError: Texts of that length could not be read, or nothing can be loaded from the encoder's place, or from
            that of word vectors.
    """
    for key, node in text_parts(backbone).items():
        if node["_target_"] in CLASSES:  # has no positions
            check_vectors(node.get("vectors"))
            continue
        if not {"config", "name"} & node.keys():  # its weights say how much it reads, and it says so itself
            continue
        _check_known(f"backbone.{key}.config", node.get("config", {}))
        config = _random_config(node["config"]) if "config" in node else _pretrained_config(node["name"])
        if max_length > positions(config):
            raise ConfigError(
                f"data.max_length={max_length} is more than the {positions(config)} tokens that the text encoder has "
                f"positions for: set data.max_length={positions(config)}, or less"
            )


def random_text(config: dict[str, Any], vocabulary: int | None = None, feature_dim: int | None = None) -> TextEncoder:
    """A text encoder with random weights; ``config`` is transformers' own, with its ``model_type``.

    ``vocabulary`` is the number of the tokeniser's pieces, where there is a tokeniser. ``feature_dim`` is as for
    :class:`TextEncoder`.

    Raises:
        ConfigError: The configuration speaks of another number.
    """
    pieces = {} if vocabulary is None else {"vocab_size": vocabulary}
    return TextEncoder(AutoModel.from_config(_checked(_random_config(pieces | config), vocabulary)), feature_dim)


def pretrained_text(
    name: str, dropout: float | None = None, vocabulary: int | None = None, feature_dim: int | None = None
) -> TextEncoder:
    """A pretrained text encoder from a hub name or a local folder; the other options are as for :func:`random_text`.

    Raises:
        ConfigError: Nothing can be loaded from there, or not all of an encoder, or the tokeniser is of another.
    """
    _checked(_pretrained_config(name), vocabulary)
    options = {} if dropout is None else {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    try:
        model, report = AutoModel.from_pretrained(name, output_loading_info=True, **options)
    except (OSError, ValueError) as error:
        raise _not_found(name, error) from error
    if lost := sorted(key for key in report["missing_keys"] if not key.startswith("pooler.")):
        raise ConfigError(f"the weights at '{name}' lack {len(lost)} of the encoder's tensors, first '{lost[0]}'")
    return TextEncoder(model, feature_dim)


def _checked(config: PretrainedConfig, vocabulary: int | None) -> PretrainedConfig:
    if vocabulary not in (None, config.vocab_size):
        raise ConfigError(
            f"the text encoder's vocabulary has {config.vocab_size} rows, and the tokeniser is for {vocabulary}: "
            "give a tokeniser and an encoder that belong together, and no vocab_size of your own"
        )
    return config


def _random_config(config: Mapping[str, Any]) -> PretrainedConfig:
    settings = dict(config)
    for key, value in settings.items():
        if not (value is None or isinstance(value, int | float) or (key in WORDED and isinstance(value, str))):
            raise ConfigError(f"{key}={value} is nothing that a text encoder with random weights is made of")
    try:
        return AutoConfig.for_model(settings.pop("model_type", "bert"), **settings)
    except Exception as error:  # the library's checks raise errors of many kinds
        raise ConfigError(f"no text encoder is made of these settings: {error}") from error


def _check_known(place: str, config: Mapping[str, Any]) -> None:
    """transformers keeps settings that nothing reads: one that its architecture has no default of is none of its."""
    default = _random_config({key: config[key] for key in config if key == "model_type"})
    for key in config:
        if not hasattr(default, key):
            raise ConfigError(no_such_key(f"{place}.{key}", [*default.to_dict()]))


def _pretrained_config(name: str) -> PretrainedConfig:
    try:
        return AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise _not_found(name, error) from error


def _not_found(name: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"no text encoder at '{name}': give a folder with config.json and model.safetensors, or a hub name that "
        "can be reached (size.text.name=…; weights/e5_dino and weights/minilm_dino come by `make weights`); "
        f"{str(error).splitlines()[0]}"
    )
