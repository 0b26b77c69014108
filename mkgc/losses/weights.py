"""The weights of several losses that are learned together."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from mkgc.errors import ConfigError


@dataclass(frozen=True)
class ObjectiveWeights:
    """The weight of each loss, a field of its name; one of weight 0 is left out.

    Raises:
        ConfigError: All are.
    """

    def __post_init__(self) -> None:
        if not any(asdict(self).values()):
            raise ConfigError("task.model.loss_weights: all are 0: there is nothing to learn")

    def used(self) -> dict[str, float]:
        """The weights of those that are learned."""
        return {name: weight for name, weight in asdict(self).items() if weight}
