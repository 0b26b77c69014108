"""`python -m mkgc.export checkpoint=PATH output=DIR`: two towers as ONNX files, which search without torch."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from mkgc.app.command import exit_on_user_error, require, run
from mkgc.app.config import check_keys
from mkgc.app.files import check_output_folder
from mkgc.app.keys import EXPORT
from mkgc.app.packages import CONF
from mkgc.errors import ConfigError
from mkgc.exported.manifest import is_export
from mkgc.terminal import say


def export(config: DictConfig) -> float:
    """Writes the towers; returns by how much a number of their directions differs from the checkpoint's at most.

    Raises:
        MkgcError: A key has a wrong value, the output cannot be written to or has something else in it, or the
            checkpoint has no two towers.
    """
    require(config, "checkpoint", "output")
    check_keys(config, EXPORT)
    check_output_folder(config.output)
    target = Path(config.output)
    if target.is_dir() and any(target.iterdir()) and not is_export(target):
        raise ConfigError(f"output={config.output}: has something else in it: give a new folder, or an earlier export")
    from mkgc.exported.towers import export_towers
    from mkgc.inference import load

    return export_towers(load(config.checkpoint, trusted=config.trusted).task, target)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="export")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    difference = export(config)
    say(f"exported: both towers into {config.output}, within {difference:.1g} of the checkpoint's vectors")
    say(f"search with them: python -m mkgc.index checkpoint={config.output} images=DIR output=INDEX")


def main() -> None:
    """The command."""
    run(_main, "export")


if __name__ == "__main__":
    main()
