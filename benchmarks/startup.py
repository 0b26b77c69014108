"""`python -m benchmarks.startup [TREE …]`: processor time of commands until they answer, or until the first training step.

Each ``TREE`` is a checkout of this project, this one if none is given; they take turns, so that load falls on all alike.
Every command is run with the bytecode that the installation wrote, and without any, as where the packages were
installed with ``pip install --no-compile`` or ``uv pip install``, and PYTHONDONTWRITEBYTECODE keeps it so.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.runs import machine

ROUNDS = 3

FIRST_STEP = """
import os, runpy, sys, torch
torch.optim.optimizer.register_optimizer_step_post_hook(lambda *_: os._exit(0))
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Ends the command behind it as soon as an optimiser has made a step."""
