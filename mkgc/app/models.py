"""Which backbones a setting of a task's model is for, where a task has several models (``conf/model``)."""

from __future__ import annotations

from omegaconf import OmegaConf

from mkgc.app.packages import CONF


def explain_unused(key: str) -> str | None:
    """The line about a setting of ``task.model`` that other backbones' models have; None where none has it."""
    if not key.startswith("task.model."):
        return None
    name = key.split(".")[2]
    kinds = {file.stem for file in CONF.glob("model/*/*.yaml") if name in OmegaConf.load(file)}
    files = sorted(CONF.glob("backbone/**/*.yaml"))
    users = [file for file in files if any(f"${{task}}/{kind} " in file.read_text() for kind in kinds)]
    names = ", ".join(str(file.relative_to(CONF / "backbone").with_suffix("")) for file in users)
    return f"{key}: nothing reads it with this backbone; it is for backbone={names}" if names else None
