"""The precisions that runs may have, and how Lightning is told."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.plugins.precision import DoublePrecision, HalfPrecision

from mkgc.errors import ConfigError

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true")
ALIASES = {"32": "32-true", "64": "64-true", "16": "16-mixed", "bf16": "bf16-mixed"}


class WholeDouble(DoublePrecision):
    """Weights and steps in 64 bits; encoders bring what a batch holds to their weights' type themselves."""

    def convert_input(self, data: Any) -> Any:
        return data


class WholeHalf(HalfPrecision):
    """Weights and steps in bfloat16, likewise."""

    def convert_input(self, data: Any) -> Any:
        return data


def precision_settings(precision: Any) -> tuple[str | None, list[Any]]:
    """The trainer's value of precision, and the plugins where there must be one instead.

    Raises:
        ConfigError: There is no such precision, or nothing can be trained in it.
    """
    name = ALIASES.get(str(precision), str(precision))
    if name == "16-true":
        raise ConfigError(
            "trainer.precision=16-true: steps are lost in weights of 16 bits; choose 16-mixed, or bf16-true"
        )
    if name not in PRECISIONS:
        raise ConfigError(f"trainer.precision={precision}: choose {', '.join(PRECISIONS)}")
    if name == "64-true":
        return None, [WholeDouble()]
    return (None, [WholeHalf("bf16-true")]) if name == "bf16-true" else (name, [])
