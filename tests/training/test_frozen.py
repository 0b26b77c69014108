"""What frozen layers make of a data set is computed once, kept in a file, and read by every run that needs the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import safetensors.torch
import timm
import torch
from omegaconf import DictConfig, OmegaConf
from transformers import BertConfig, BertModel

from mkgc.app.locks import locked
from mkgc.data.states import read_states, write_states
from mkgc.encoders.text import TextEncoder
from mkgc.encoders.vision import VisionEncoder
from mkgc.evaluate import evaluate
from mkgc.train import train
from mkgc.training.datamodule import DataModule
from mkgc.training.frozen import keep_states
from mkgc.training.task import Task
from tests.conftest import composed

Config = Callable[..., DictConfig]
FROZEN = ("size.trainable_layers=1", "size.side_trainable_layers=1", "data.batch_size=8", "task.epochs=1")
VIT: dict[str, Any] = {"img_size": 32, "embed_dim": 32, "depth": 2, "num_heads": 2, "patch_size": 16}
BERT: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def pretrained(config: DictConfig, folder: Path, vocabulary: int) -> DictConfig:
    """The configuration with encoders that are the same for every seed, as downloaded ones are."""
    torch.manual_seed(7)
    BertModel(BertConfig(vocab_size=vocabulary, **BERT)).save_pretrained(folder)
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=0, **VIT)
    safetensors.torch.save_file(vit.state_dict(), folder / "vit.safetensors")
    text = {"_target_": "mkgc.encoders.text.pretrained_text", "name": str(folder)}
    vision = {"_target_": "mkgc.encoders.vision.pretrained_vision", "name": "vit_tiny_patch16_224", **VIT}
    OmegaConf.update(config, "size.text", text, merge=False, force_add=True)
    OmegaConf.update(config, "size.vision", vision | {"file": str(folder / "vit.safetensors")}, merge=False)
    return config


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many inputs went through an encoder, call by call."""
    calls: list[int] = []
    for kind in (TextEncoder, VisionEncoder):
        embed = kind.embed

        def counted(self: Any, x: Any, embed: Any = embed) -> Any:
            out = embed(self, x)
            calls.append(len(out.states))
            return out

        monkeypatch.setattr(kind, "embed", counted)
    return calls


@pytest.fixture
def trainer() -> pl.Trainer:
    return pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)


def files_of(root: Path) -> list[Path]:
    return sorted((root / "images.store" / "states").iterdir())


def losses(task: Task, dataset: Any) -> list[torch.Tensor]:
    """The losses of all training examples, batch by batch."""
    data = DataModule(dataset, 8, 0)
    with torch.no_grad():
        return [task.loss(data.collate([*part])) for part in _parts(dataset.features["train"])]


def _parts(features: Any) -> Iterator[list[Any]]:
    return ([features[row] for row in range(start, min(start + 8, len(features)))] for start in range(0, 24, 8))


@pytest.mark.slow
def test_a_second_seed_and_an_evaluation_do_not_call_the_frozen_layers_at_all(
    tiny: Config, made: Any, mner_root: Path, tmp_path: Path, computed: list[int]
) -> None:
    config = tiny("mner", mner_root, *FROZEN)
    vocabulary = made("mner", mner_root, *FROZEN)[1].processor.tokenizer.size
    config = pretrained(config, tmp_path / "encoders", vocabulary)
    train(config, tmp_path / "0")
    assert computed
    computed.clear()
    config.seed = 1
    figures = train(config, tmp_path / "1")
    again = evaluate(composed(f"checkpoint={tmp_path / '1' / 'best.ckpt'}", name="evaluate"))
    assert not computed
    assert again == pytest.approx(figures["test"], abs=1e-6)
    assert [path.suffix for path in files_of(mner_root)] in ([".images", ".texts"], [".texts", ".images"])


@pytest.mark.parametrize(("task", "gib"), [("mre", 4.0), ("mner", 4.0), ("mner", 1.5e-6), ("link_prediction", 4.0)])
def test_losses_are_the_same_with_all_states_kept_with_some_and_with_none(
    task: str, gib: float, made: Any, roots: dict[str, Path], trainer: pl.Trainer, capsys: Any
) -> None:
    model, dataset, _ = made(task, roots[task], *FROZEN, f"backbone.cache_gib={gib}")
    expected = losses(model, dataset)
    kept = keep_states(model, dataset, trainer)
    torch.testing.assert_close(losses(model, kept), expected, rtol=0, atol=1e-5)
    assert ("has no room for the others" in capsys.readouterr().out) == (gib < 1)
    assert (kept.text_states is not None) == (task == "mner")  # the others' texts hold tokens that learn


def test_images_whose_states_are_known_are_not_even_loaded(
    made: Any, mre_root: Path, trainer: pl.Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, dataset, _ = made("mre", mre_root, *FROZEN)
    kept = keep_states(model, dataset, trainer)
    batch = kept.processor.collate(kept.features["train"][:8], kept.store)
    assert [len(group.pixels) for group in batch.images] == [0]
    assert (batch.images[0].slots >= 0).any()


def test_other_weights_other_inputs_and_other_precisions_have_other_files(
    made: Any, mre_root: Path, trainer: pl.Trainer
) -> None:
    model, dataset, _ = made("mre", mre_root, *FROZEN)
    for _ in range(2):
        keep_states(model, dataset, trainer)
    assert len(files_of(mre_root)) == 1
    mixed = pl.Trainer(accelerator="cpu", precision="bf16-mixed", logger=False, enable_checkpointing=False)
    keep_states(model, dataset, mixed)
    few = made("mre", mre_root, *FROZEN, "data.images.image=16")[1]
    keep_states(model, few, trainer)
    next(model.backbone.side.layers[0].parameters()).data += 1
    keep_states(model, dataset, trainer)
    assert len(files_of(mre_root)) == 4
    next(model.backbone.side.layers[1].parameters()).data += 1  # which learns
    keep_states(model, dataset, trainer)
    assert len(files_of(mre_root)) == 4


def test_a_damaged_file_is_made_anew(made: Any, mre_root: Path, trainer: pl.Trainer, capsys: Any) -> None:
    model, dataset, _ = made("mre", mre_root, *FROZEN)
    expected = losses(model, keep_states(model, dataset, trainer))
    (file,) = files_of(mre_root)
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    torch.testing.assert_close(losses(model, keep_states(model, dataset, trainer)), expected)
    assert "is damaged, and made anew" in capsys.readouterr().out
    assert file.read_bytes() != content


def test_a_folder_that_cannot_be_written_is_said_and_nothing_is_kept(
    made: Any, mre_root: Path, trainer: pl.Trainer, capsys: Any
) -> None:
    model, dataset, _ = made("mre", mre_root, *FROZEN)
    dataset.store.folder = mre_root / "ours_rel2id.json"  # a file
    assert keep_states(model, dataset, trainer).store.states is None
    assert "cannot be kept" in capsys.readouterr().out


def test_a_write_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    def batches() -> Iterator[list[torch.Tensor]]:
        yield [torch.ones(2, 3)]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_states(tmp_path / "states", batches(), 1 << 20)
    assert not [*tmp_path.iterdir()]


def test_states_are_read_as_they_were_written_whatever_their_lengths_and_types(tmp_path: Path) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        given = [torch.randn(length, 3).to(dtype) for length in (2, 0, 4)]
        write_states(tmp_path / "states", [given[:1], given[1:]], 1 << 20)
        table = read_states(tmp_path / "states", [["a", "A"], ["b"], ["c"]])
        assert table is not None
        states, mask = table.take(["c", "A", "b"])
        assert mask.sum(1).tolist() == [4, 2, 0]
        assert torch.equal(states[mask], torch.cat([given[2], given[0]]))
        assert not states[~mask].any()


def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    done: list[str] = []

    def work() -> None:
        with locked(tmp_path):
            done.append("second")

    with locked(tmp_path):
        other = threading.Thread(target=work)
        other.start()
        other.join(0.2)
        done.append("first")
    other.join()
    assert done == ["first", "second"]
