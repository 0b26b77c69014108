"""What goes with a task: its published systems, and of its model's settings those that a backbone reads."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from mkgc.app.packages import CONF


def explain_unused(key: str, task: str | None) -> str | None:
    """The line about a setting of ``task.model`` that the task (or any) has with other backbones; None of any other."""
    if not key.startswith("task.model."):
        return None
    name = key.split(".")[2]
    kinds = {file.stem for file in CONF.glob(f"model/{task or '*'}/*.yaml") if name in OmegaConf.load(file)}
    files = sorted(CONF.glob("backbone/**/*.yaml"))
    users = [file for file in files if any(f"${{task}}/{kind} " in file.read_text() for kind in kinds)]
    names = ", ".join(str(file.relative_to(CONF / "backbone").with_suffix("")) for file in users)
    return f"{key}: nothing reads it with this backbone; it is for backbone={names}" if names else None


def systems(task: str) -> list[str]:
    """The published systems of a task, as they are chosen by ``system=…``."""
    files: dict[str, Any] = {file.stem: OmegaConf.load(file) for file in sorted(CONF.glob("system/*.yaml"))}
    return [name for name, settings in files.items() if task in (settings.get("system_tasks") or [task])]


def explain_system(config: DictConfig) -> str | None:
    """The line about a published system of other tasks than the configuration's; None where it is one of its task."""
    tasks, task = config.get("system_tasks"), OmegaConf.select(config, "task.name")
    if not isinstance(tasks, ListConfig) or task in tasks:
        return None
    of = " and ".join(f"task={one}" for one in tasks)
    return f"system {config.get('system')} is one of {of}; task={task} has system={', '.join(systems(task))}"
