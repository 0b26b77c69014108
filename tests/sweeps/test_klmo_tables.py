"""KLMo's tables from the first command to the last: pretraining of each system, then every row tuned from its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TINY
from tests.sweeps.conftest import figures

SMALL = (*TINY, "size.knowledge={depth: 1, hidden_dim: 64}", "smoke=true", "task.epochs=1")


@pytest.mark.slow
def test_every_row_is_tuned_from_its_own_pretraining_and_stands_in_the_table(
    run: Callable[..., Any], corpus_root: Path, roots: dict[str, Path], tmp_path: Path
) -> None:
    studies = [
        ("klmo_pretraining", corpus_root, 4),
        ("klmo_table1", roots["entity_typing"], 4),
        ("klmo_table2", roots["relation_classification"], 5),
    ]
    for experiment, root, jobs in studies:
        given = () if experiment == "klmo_pretraining" else ("pretraining.folder=klmo_pretraining",)
        code, out, err = run(
            "train", f"experiment={experiment}", f"data.root={root}", *SMALL, *given, f"hydra.sweep.dir={experiment}"
        )
        assert (code, err) == (0, ""), err
        assert len(figures(tmp_path / experiment)) == jobs
        for system in ("BERT", "ERNIE", "WKLM", "KLMo"):
            assert f"| {system} (smoke run) |" in (tmp_path / experiment / "table.md").read_text()
        assert f"sweep: {jobs} jobs; into {experiment}" in out
