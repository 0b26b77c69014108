"""`python -m mkgc.evaluate checkpoint=PATH`: the scores of a trained model on a split, or of judged lists."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig, OmegaConf

from mkgc.app import calls
from mkgc.app.command import exit_on_user_error, require_one, run
from mkgc.app.config import check_keys
from mkgc.app.files import check_output, only_contents, write_json
from mkgc.app.keys import EVALUATE
from mkgc.app.packages import CONF
from mkgc.errors import ConfigError
from mkgc.terminal import say
from mkgc.training.run import checkpoint_file

if TYPE_CHECKING:
    from mkgc.training.task import Task

OWN_FILES = ("last.ckpt", "metrics.json", "config.yaml")
"""The files that a run leaves beside its best checkpoint; another split's figures must not take its place."""


def evaluate(config: DictConfig) -> dict[str, float]:
    """The metrics of the checkpoint on ``config.split`` of its own data set, or of the one at ``config.root``."""
    import pytorch_lightning as pl

    from mkgc.app.devices import accelerator, find_device
    from mkgc.data.dataset import found_again, naming_root, read_dataset
    from mkgc.training.capabilities import require_graph
    from mkgc.training.checkpoint import open_trained
    from mkgc.training.datamodule import DataModule
    from mkgc.training.frozen import keep_states
    from mkgc.training.smoke import few
    from mkgc.training.trust import Trust

    device = find_device(config.device)
    task, trained = open_trained(config.checkpoint, Trust.of(config.trusted))
    if config.templates is not None:
        _use_templates(task, config.templates)
    trained = found_again(trained, config.root)
    if config.bad_images is not None:
        trained.data.bad_images = config.bad_images
    with naming_root(config.root):
        dataset = read_dataset(trained, task.processor)
    if config.type_constraints is not None:
        require_graph(task, f"type_constraints={config.type_constraints}").constrain(
            dataset.source, config.type_constraints
        )
    dataset.show()
    if config.smoke:
        task.smoke, dataset = True, few(dataset)
        say("smoke run: a handful of examples is scored, and the figures mean nothing")
    trainer = pl.Trainer(**accelerator(device), logger=False, enable_checkpointing=False, enable_model_summary=False)
    # A model may be a stranger's: nothing is written where it says that its data lie.
    write = config.root is not None and not config.smoke
    data = DataModule(keep_states(task, dataset, trainer, write), config.batch_size, trained.seed)
    run_split = trainer.test if config.split == "test" else trainer.validate
    figures = run_split(task, data, verbose=False)[0]
    return {key.split("/", 1)[1]: value for key, value in figures.items()}


def _use_templates(task: Task, asked: Any) -> None:
    from mkgc.training.capabilities import PromptedTask

    if not isinstance(task, PromptedTask):
        raise ConfigError(f"templates={asked}: this task's texts are no names of classes: leave it out")
    plain: Any = OmegaConf.to_object(asked) if OmegaConf.is_list(asked) else asked
    task.use_templates(plain)


def call(*overrides: calls.Given, **keys: Any) -> dict[str, Any]:
    """Evaluates as the command does, ``mkgc.evaluate(checkpoint="best.ckpt", split="dev")``; prints what that prints.

    Raises:
        MkgcError: What the command would say in one line.
    """
    return calls.call("evaluate", _evaluated, overrides, keys)


def evaluate_judgements(config: DictConfig) -> dict[str, dict[str, float]]:
    """Prints the table of systems whose lists have been judged, and writes its figures; these by system.

    Raises:
        MkgcError: A key is one of a checkpoint's evaluation, or the file is none of judgements.
    """
    from rich.console import Console

    from mkgc.analysis.judged import judged_figures
    from mkgc.data.formats.judgements import read_judgements
    from mkgc.reports.console import show
    from mkgc.reports.judged import judged_table

    for key in ("root", "bad_images", "type_constraints", "templates", "smoke", "trusted"):
        if config[key]:
            raise ConfigError(f"{key}={config[key]} is for checkpoint=PATH, and not for judgements=FILE: leave it out")
    path = Path(config.judgements)
    if config.output is not None:
        check_output(config.output, path)
    lists = read_judgements(path)
    figures = judged_figures(lists)
    with only_contents(config.output):
        show([judged_table(figures, lists.kind, path)], Console())
    if config.output is not None:
        write_json(Path(config.output), figures)
    return figures


def _evaluated(config: DictConfig) -> dict[str, Any]:
    check_keys(config, EVALUATE)
    asked = require_one(config, "checkpoint", "judgements")
    if asked is None:
        raise ConfigError("give checkpoint=…, or judgements=FILE.csv")
    if asked == "judgements":
        return evaluate_judgements(config)
    if config.output is not None:
        checkpoint = checkpoint_file(config.checkpoint)
        check_output(config.output, *(checkpoint.with_name(name) for name in (checkpoint.name, *OWN_FILES)))
    with only_contents(config.output):
        figures = evaluate(config)
        for name, value in figures.items():
            shown = f"{value:,.0f}" if value > 1 and float(value).is_integer() else f"{value:.4f}"  # a count, or a rate
            say(f"{config.split}/{name:<16} {shown}")
    if config.output is not None:
        write_json(Path(config.output), {config.split: figures} | ({"smoke": True} if config.smoke else {}))
    return figures


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="evaluate")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    _evaluated(config)


def main() -> None:
    """The command."""
    run(_main, "evaluate")


sys.modules[__name__].__class__ = calls.CallableModule


if __name__ == "__main__":
    main()
