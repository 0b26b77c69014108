"""Values that only training knows are checked before anything is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.errors import ConfigError, DataError
from mkgc.train import train

BAD = {
    "seed=-1": "seed=-1: must be a whole number between 0 and 4294967295",
    "seed=4294967296": "seed=4294967296: must be a whole number between 0 and",
    "seed=null": "seed=null: must be a whole number between 0 and",
    "seed=abc": "seed=abc: must be a whole number between 0 and",
    "seed=1.5": "seed=1.5: must be a whole number between 0 and",
    "seed=true": "seed=True: must be a whole number between 0 and",
    "patience=-1": "patience=-1: must be a whole number of at least 0 or null",
    "patience=soon": "patience=soon: must be a whole number of at least 0 or null",
    "size.threads=0": "size.threads=0: must be a whole number of at least 1 or null",
    "task.epochs=0": "task.epochs=0: must be a whole number of at least 1",
    "task.epochs=2.5": "task.epochs=2.5: must be a whole number of at least 1",
    "data.batch_size=0": "data.batch_size=0 must be at least 1",
    "data.workers=-1": "data.workers=-1",
    "trainer.check_val_every_n_epoch=0": "trainer.check_val_every_n_epoch=0: must be a whole number of at least 1",
    "trainer.check_val_every_n_epoch=null": "trainer.check_val_every_n_epoch=null: must be a whole number",
    "trainer.check_val_every_n_epoch=9": "trainer.check_val_every_n_epoch=9 must lie between 1 and task.epochs=8",
    "nonfinite=ignore": "nonfinite=ignore: must be one of stop, skip",
    "optim.lr=-1.0": "optim.lr=-1.0 must be positive",
    "optim.warmup=1.0": "optim.warmup=1.0 is a share of all steps",
    "data.images.image=33": "data.images.image=33: patches are 16 pixels wide, so choose 32, say",
    "data.images.image=0": "must be a mapping of keys to a whole number of at least 1",
    "~size.vision.name": "a vision encoder has a name, that of a timm VisionTransformer: size.vision.name=NAME",
    "trainer.precision=half": "trainer.precision=half: must be one of",
    "trainer.accelerator=abacus": "invalid accelerator name: `accelerator='abacus'`",
    "trainer.devices=0": "trainer: ",
    "+trainer.strategy=dpp": "invalid strategy name: `strategy='dpp'`",
}


@pytest.mark.parametrize("override", ["patience=null", "patience=0", "size.threads=null"])
def test_what_a_message_offers_is_accepted(override: str, tiny: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        train(tiny("mre", tmp_path / "no data", override), tmp_path / "run")


@pytest.mark.parametrize("override", BAD)
def test_a_bad_value_is_one_line_before_anything_is_read(
    override: str, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    """There are no data at that place: whoever read them first would say so."""
    with pytest.raises(ConfigError) as error:
        train(tiny("mre", tmp_path / "no data", override), tmp_path / "run")
    assert BAD[override] in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_all_that_is_wrong_is_said_at_once(tiny: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seed=-1: .*; task.epochs=0: .*; size.threads=0: "):
        train(tiny("mre", tmp_path, "task.epochs=0", "seed=-1", "size.threads=0"), tmp_path / "run")
