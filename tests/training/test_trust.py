"""A stranger's checkpoint answers questions or is refused in one line; it runs, reads and writes nothing."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mkgc
from mkgc.data.dataset import read_dataset
from mkgc.errors import CheckpointError, MkgcError
from mkgc.training.checkpoint import FORMAT, AtomicCheckpointIO, build_task, read, restore, save

Contents = dict[str, Any]


@pytest.fixture
def contents(mre_root: Path, tiny: Callable[..., Any], tmp_path: Path) -> Contents:
    """What an honest checkpoint holds, as it was written and read."""
    config = tiny("mre", mre_root)
    task = build_task(config, read_dataset(config).processor)
    save(task, tmp_path / "honest.ckpt")
    return read(tmp_path / "honest.ckpt")


def put(*path: str, value: Any) -> Callable[[Contents], None]:
    """An attack that sets one value below ``mkgc``."""

    def change(contents: Contents) -> None:
        node = contents["mkgc"]
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value

    return change


def calls(target: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": target, **arguments}


WRITE: dict[str, Any] = {"self": calls("pathlib.Path", _args_=["owned"]), "data": "owned"}
OPTIM, BACKBONE, TEXT, SIDE = (
    ("config", "optim"),
    ("config", "backbone"),
    ("architecture_configs", "text"),
    ("architecture_configs", "side"),
)
FUSION, DATA, SOURCE, READER = (
    (*BACKBONE, "fusion"),
    ("config", "data"),
    ("config", "task", "source"),
    ("config", "task", "data"),
)
MODEL = ("config", "task", "model")


def _cycle(contents: Contents) -> None:
    contents["mkgc"]["config"]["backbone"]["again"] = contents["mkgc"]["config"]["backbone"]


def _deep(contents: Contents) -> None:
    node: list[Any] = []
    for _ in range(300):
        node = [node]
    contents["mkgc"]["config"]["optim"]["lr"] = node


def _huge_tensor(contents: Contents) -> None:
    contents["state_dict"]["head.classifier.bias"] = torch.zeros(1).expand(10**12)


def _nan(contents: Contents) -> None:
    contents["state_dict"]["head.classifier.bias"][0] = torch.nan


def _no_tensor(contents: Contents) -> None:
    contents["state_dict"]["head.classifier.bias"] = "classifier"


def _fewer(contents: Contents) -> None:
    del contents["state_dict"]["head.classifier.bias"]


def _more(contents: Contents) -> None:
    contents["state_dict"]["head.classifier.scale"] = torch.zeros(3)


ATTACKS: dict[str, Callable[[Contents], None]] = {
    # code of others, by every way that reaches it
    "a function of the system": put(*OPTIM, value=calls("os.system", command="touch owned")),
    "a builtin": put(*OPTIM, value=calls("builtins.exec", source="open('owned', 'w')")),
    "an import of ours": put(*OPTIM, value=calls("mkgc.training.checkpoint.Path.write_text", **WRITE)),
    "a module that one of ours imports": put(*OPTIM, value=calls("mkgc.app.command.os.system", command="touch owned")),
    "a library by way of ours": put(*OPTIM, value=calls("mkgc.training.checkpoint.torch.load", f="owned")),
    "the hub by way of ours": put(
        *BACKBONE, value=calls("mkgc.models.fusion_encoder.torch.hub.load", repo_or_dir="evil/repo")
    ),
    "a copy of files": put(*OPTIM, value=calls("mkgc.tools.archive.shutil.copy", src="/etc/passwd", dst="owned")),
    "a file of vectors of nodes": put(
        *SIDE, value=calls("mkgc.encoders.knowledge.KnowledgeEncoder", vectors="/etc/passwd")
    ),
    "a file of vectors of words": put(
        *TEXT, value=calls("mkgc.encoders.recurrent.RecurrentEncoder", dim=8, hidden=4, vectors="/etc/passwd")
    ),
    "a name that was only imported": put(*BACKBONE, value=calls("mkgc.models.fusion_encoder.nn.Module")),
    "a class of a library": put(*BACKBONE, value=calls("torch.nn.Linear", in_features=1, out_features=1)),
    "the foreign base of ours": put(*BACKBONE, value=calls("mkgc.models.fusion_encoder.FusionEncoder.__init__")),
    "a method of ours": put(*OPTIM, value=calls("mkgc.analysis.queries.Queries.load", path="owned")),
    "a lambda": put(*OPTIM, value=calls("mkgc.training.optim.<lambda>")),
    "a dunder": put(*OPTIM, value=calls("mkgc.__main__.main")),
    "a package that begins like ours": put(*OPTIM, value=calls("mkgc_evil.run")),
    "a module of ours that is none": put(*OPTIM, value=calls("mkgc.nothing.Optim")),
    # our own code where it does not belong
    "a function of ours": put(*OPTIM, value=calls("mkgc.data.atlas.build", output="owned")),
    "a command of ours": put(*BACKBONE, value=calls("mkgc.train.main")),
    "a writer of ours": put(
        *OPTIM, value=calls("mkgc.app.sealed.write_sealed", path="owned", write=calls("os.getcwd"))
    ),
    "weights from a place": put(*TEXT, value=calls("mkgc.encoders.text.pretrained_text", name="/tmp/evil")),
    "weights from a file": put(*SIDE, value=calls("mkgc.encoders.vision.pretrained_vision", name="vit", file="/x")),
    "a task as a backbone": put(*BACKBONE, "_target_", value="tasks.mre.task.RelationExtraction"),
    "a backbone as an optimiser": put(*OPTIM, "_target_", value="mkgc.models.fusion_encoder.FusionEncoder"),
    "a function of torch's as an optimiser": put(*OPTIM, "optimizer", "_target_", value="torch.load"),
    "a class of torch's that is no optimiser": put(*OPTIM, "optimizer", "_target_", value="torch.optim.Tensor"),
    "an optimiser that is called": put(*OPTIM, "optimizer", "_partial_", value=False),
    "an optimiser elsewhere": put(*BACKBONE, "_target_", value="torch.optim.AdamW"),
    "another function as the reader": put(*READER, "_target_", value="mkgc.data.dataset.read_corpus"),
    "another function as the source": put(*SOURCE, "_target_", value="mkgc.inference.load"),
    "another function as the model": put(*MODEL, "_target_", value="mkgc.training.checkpoint.build_task"),
    "settings of another kind": put(*DATA, "_target_", value="mkgc.training.optim.Optim"),
    "no processor": put("processor_kind", value="mkgc.training.optim.Optim"),
    "a foreign processor": put("processor_kind", value="json.JSONDecoder"),
    "a processor without a module": put("processor_kind", value="RelationProcessor"),
    # calls within calls
    "a call in a value": put(*OPTIM, "lr", value=calls("os.system", command="touch owned")),
    "a call in a list": put(*READER, "markers", value=[calls("os.system", command="touch owned")]),
    "a call below a part": put(*TEXT, "config", "dropout", value=calls("os.mkdir", path="owned")),
    "a call of ours in a value": put(*OPTIM, "lr", value=calls("mkgc.data.atlas.build", output="owned")),
    "positional arguments": put(*OPTIM, "_args_", value=[1.0]),
    "positional arguments below": put(*FUSION, "_args_", value=["os.system"]),
    "a partial where there is none": put(*OPTIM, "_partial_", value=True),
    "a model that is called at once": put(*MODEL, "_partial_", value=False),
    "another key of hydra's": put(*OPTIM, "_recursive_", value=False),
    # what OmegaConf would resolve
    "the environment": put(*DATA, "root", value="${oc.env:HOME}"),
    "hydra's own": put(*DATA, "root", value="${hydra:runtime.cwd}"),
    "a reference": put(*OPTIM, "lr", value="${data.batch_size}"),
    "a reference in a list": put(*READER, "markers", value=["${oc.env:HOME}"]),
    "a missing value": put(*OPTIM, "lr", value="???"),
    # encoders that are more than numbers
    "code of a hub": put(*TEXT, "config", "auto_map", value={"AutoModel": "evil/repo--modeling.Evil"}),
    "kernels of a hub": put(*TEXT, "config", "attn_implementation", value="evil/kernels"),
    "a model of a hub": put(*SIDE, "name", value="hf-hub:evil/model"),
    "a model of a folder": put(*SIDE, "name", value="local-dir:/tmp/evil"),
    "a file of weights": put(*SIDE, "checkpoint_path", value="/tmp/evil.pt"),
    "weights of an address": put(*SIDE, "pretrained_cfg_overlay", value={"url": "http://evil/x.pt"}),
    "pretrained weights": put(*SIDE, "pretrained", value=True),
    "another kind of model": put(*TEXT, "config", "model_type", value="gpt2"),
    "a kind of model that is none": put(*TEXT, "config", "model_type", value="evil"),
    "an activation that is none": put(*TEXT, "config", "hidden_act", value="os.system"),
    # codecs
    "a tokeniser of code": put("processor", "tokenizer", "backend", value="cos\nsystem\n(S'touch owned'\ntR."),
    "a tokeniser without a model": put("processor", "tokenizer", "backend", value="{}"),
    "a tokeniser that is no text": put("processor", "tokenizer", "backend", value=7),
    "a place in the processor": put("processor", "settings", "root", value="/etc"),
    "a store in the processor": put("processor", "settings", "store", value="/etc"),
    "an unknown setting": put("processor", "settings", "evil", value=1),
    "a setting of the wrong type": put("processor", "settings", "images", value="image"),
    "more in the processor": put("processor", "labels", value=7),
    # sizes
    "a wide encoder": put(*TEXT, "config", "hidden_size", value=2**17),
    "a deep encoder": put(*TEXT, "config", "num_hidden_layers", value=10**7),
    "a long encoder": put(*TEXT, "config", "max_position_embeddings", value=10**11),
    "a large image": put(*SIDE, "img_size", value=10**7),
    "no size at all": put(*TEXT, "config", "hidden_size", value=0),
    "a size that is no number": put(*TEXT, "config", "hidden_size", value="wide"),
    "a negative size": put(*TEXT, "config", "vocab_size", value=-5),
    # what a checkpoint is made of
    "no configuration": put("config", value=None),
    "no backbone": put("config", "backbone", value=None),
    "no target": put("config", "backbone", value={}),
    "a target that is no name": put(*BACKBONE, "_target_", value=["mkgc.models.fusion_encoder.FusionEncoder"]),
    "no processor state": put("processor", value=[]),
    "no seed": put("seed", value="one"),
    "no recipes": put("architecture_configs", value="none"),
    "fitted values that are none": put("fitted", value=[1]),
    "a key that is no text": put(*OPTIM, value={1: 2}),
    "itself": _cycle,
    "a deep list": _deep,
    "a tensor of a trillion numbers": _huge_tensor,
    "a weight that is no number": _nan,
    "a weight that is text": _no_tensor,
    "a weight too few": _fewer,
    "a weight too many": _more,
}


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[str]]:
    """An empty folder to run in, and what lies in it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda: set(os.listdir(tmp_path / "here"))


@pytest.mark.slow
def test_every_attack_is_refused_in_one_line_and_leaves_no_file(contents: Any, inside: Any, tmp_path: Path) -> None:
    AtomicCheckpointIO().save_checkpoint(contents, tmp_path / "honest.ckpt")
    survived = {}
    for name, attack in ATTACKS.items():
        evil = read(tmp_path / "honest.ckpt")
        attack(evil)
        try:
            restore(evil)
            survived[name] = "was built"
        except CheckpointError as error:
            if "\n" in str(error):
                survived[name] = f"more than a line: {error}"
        except BaseException as error:
            survived[name] = repr(error)
        if inside():
            survived[name] = "left a file"
    assert survived == {}
    assert len(ATTACKS) >= 30
    restore(read(tmp_path / "honest.ckpt"))


@pytest.mark.parametrize("name", ["an import of ours", "a call in a value", "the environment", "itself"])
def test_an_attack_from_a_file_is_refused_too(name: str, contents: Any, inside: Any, tmp_path: Path) -> None:
    ATTACKS[name](contents)
    AtomicCheckpointIO().save_checkpoint(contents, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError):
        mkgc.load(tmp_path / "evil.ckpt")
    assert not inside()


@pytest.mark.parametrize("key", ["config", "processor", "processor_kind", "architecture_configs", "seed", "format"])
def test_a_checkpoint_that_lacks_something_is_refused(key: str, contents: Any, tmp_path: Path) -> None:
    del contents["mkgc"][key]
    AtomicCheckpointIO().save_checkpoint(contents, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match=key if key != "format" else "is not a checkpoint of mkgc") as error:
        mkgc.load(tmp_path / "evil.ckpt")
    assert str(tmp_path / "evil.ckpt") in str(error.value)


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("owned",)


def test_pickled_code_is_never_run(contents: Any, inside: Any, tmp_path: Path) -> None:
    for name, written in {"plain": _Evil(), "within": {**contents, "evil": _Evil()}}.items():
        torch.save(written, tmp_path / name)
        (tmp_path / f"{name}.pickle").write_bytes(pickle.dumps(_Evil()))
        for path in (tmp_path / name, tmp_path / f"{name}.pickle"):
            with pytest.raises(CheckpointError, match="is damaged or not one of mkgc's"):
                mkgc.load(path)
    assert not inside()


def test_evaluating_writes_nothing_where_a_checkpoint_says(
    contents: Any, run: Callable[..., Any], tmp_path: Path
) -> None:
    for place in (tmp_path / "owned" / "mre", "../owned/mre", "owned/mre"):
        contents["mkgc"]["config"]["data"] |= {"root": str(place), "atlas_seed": 0}
        AtomicCheckpointIO().save_checkpoint(contents, tmp_path / "evil.ckpt")
        code, _, err = run("evaluate", f"checkpoint={tmp_path / 'evil.ckpt'}")
        assert (code, err.count("\n")) == (2, 1)
        assert "give root=DIR" in err
    assert not [*tmp_path.rglob("owned")]


def test_every_place_of_a_description_is_checked(contents: Any) -> None:
    """Whatever text stands in the description, a foreign name in its place is not called."""
    plain = json.dumps(contents["mkgc"]["config"])
    assert plain.count("_target_") >= 8
    assert contents["mkgc"]["format"] == FORMAT
    with pytest.raises(MkgcError):
        restore({**contents, "mkgc": contents["mkgc"] | {"config": json.loads(plain.replace("mkgc.", "os."))}})
