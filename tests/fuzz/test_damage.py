"""Files that were cut, flipped, emptied or are a stranger's: archives, checkpoints, features, tables."""

import io
import json
import pickle
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mkgc.analysis.queries import Queries
from mkgc.data.context import read_context
from mkgc.data.formats import feature_tables, tsv
from mkgc.data.knowledge_settings import KnowledgeSettings
from mkgc.data.node_vectors import read_node_vectors
from mkgc.data.settings import DataSettings
from mkgc.images.store import SizedStore
from mkgc.released.weights import read_tensors
from mkgc.reports.errors import report_errors
from mkgc.reports.found import read_runs
from mkgc.reports.planned import unbegun, write_planned
from mkgc.reports.runs import list_runs
from mkgc.reports.saved import read_run
from mkgc.reports.training_curves import read_curves
from mkgc.reports.writers import markdown
from mkgc.tools import archive
from mkgc.training.checkpoint import read
from tasks.mner import twitter
from tasks.mre import mnre
from tasks.retrieval.source import CaptionSource
from tests.fuzz.limits import failures
from tests.test_report import finished, ranked

BYTES = (
    b"",
    b"\0",
    b"\xff",
    b"\n",
    b"\t",
    b"[",
    b"{",
    b"*",
    b"&a ",
    b": ",
    b"- ",
    b"9" * 5000,
    b"[" * 20_000,
    b"\xff\xfe",
    b"!!python/name:os ",
)


def damaged(data: bytes, seed: int, count: int) -> Iterator[bytes]:
    """The bytes with a part cut, flipped, overwritten, doubled or put in."""
    draw = random.Random(seed)
    for _ in range(count):
        out = bytearray(data)
        for _ in range(draw.choice((1, 1, 1, 8))):
            start = draw.randrange(len(out) + 1)
            end = min(len(out), start + draw.choice((1, 4, 64, 4096)))
            kind = draw.randrange(5)
            if kind == 0:
                del out[start:]
            elif kind == 1 and start < len(out):
                out[start] ^= 1 << draw.randrange(8)
            elif kind == 2:
                out[start:end] = bytes(end - start)
            elif kind == 3:
                out[start:start] = out[start:end]
            else:
                out[start:end] = draw.choice(BYTES)
        yield bytes(out)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("data/a.txt", "text " * 100)
        file.writestr("data/b.txt", "other")


def tarred(path: Path) -> None:
    with tarfile.open(path, "w:gz") as file:
        info = tarfile.TarInfo("data/a.txt")
        info.size = 500
        file.addfile(info, io.BytesIO(b"text " * 100))


def of_graph(path: Path) -> None:
    path.write_text("".join(f"e{i}\tnear\te{i + 1}\n" for i in range(20)))


def of_names(path: Path) -> None:
    rows = "".join(f"e{i}\tPlace {i}\t地{i}\tP{i}|Q{i}\n" for i in range(9))
    path.write_text(f"id\tname:en\tname:zh\taliases\n{rows}")


def of_priors(path: Path) -> None:
    of_graph(path.with_name("triples.tsv"))
    path.write_text("".join(f"e{i}\te{i + 1}\t0.{i}\n" for i in range(9)))


def context_at(path: Path) -> None:
    form: Any = "names" if path.name == "entities.tsv" else "triples"
    read_context(KnowledgeSettings(str(path.parent), format=form)).link(["e1", "e2", "Place", "3"])


def of_vectors(path: Path) -> None:
    ids = {"entities": json.dumps(["e0", "e1"]), "relations": json.dumps(["near"])}
    save_file({"entities": torch.ones(2, 3), "relations": torch.ones(1, 3)}, path, metadata=ids)


def of_relations(path: Path) -> None:
    mention = {"name": "Ada", "pos": [0, 1]}
    row = {"token": ["Ada", "met", "Ada"], "h": mention, "t": {"name": "Ada", "pos": [2, 3]}, "img_id": "0.png"}
    path.write_text("".join(f"{row | {'relation': '/a/b/knows'}!r}\n" for _ in range(5)))


def of_tags(path: Path) -> None:
    path.write_text("IMGID:1\nAda\tB-PER\nmet\tO\n\nIMGID:2\nRome\tB-LOC\n\n" * 3)


def graph_at(path: Path) -> None:
    for name in ("dev.tsv", "test.tsv"):
        of_graph(path.with_name(name))
    tsv.read(path.parent, ())


def relations_at(path: Path) -> None:
    (path.parents[1] / "ours_rel2id.json").write_text('{"None": 0, "/a/b/knows": 1}')
    mnre.read(path.parents[1], "train", ())


def exit_on_user_error(path: Path) -> None:
    runs = read_runs([path.parents[1]])
    markdown(list_runs(runs, notes=unbegun([path.parents[1]], runs)))


def curves_of(path: Path) -> None:
    read_curves(read_run(path.parents[1], path.parents[2]))


def run_at(path: Path) -> None:
    finished(path.parent, f1=0.5)


def curve_at(path: Path) -> None:
    finished(path.parents[1], f1=0.5)
    path.parent.mkdir()
    path.write_text("dev/f1,epoch,step,train/loss\n" + "".join(f"0.{i},{i},{i},1.5\n" for i in range(9)))


def sweep_at(path: Path) -> None:
    finished(path.parent / "0", f1=0.5)
    write_planned(path.parent, {"0": "seed=0", "1": "seed=1"})


def predicted_at(path: Path) -> None:
    rows = [{"gold": "knows", "predicted": "likes"}, {"gold": "likes", "predicted": "likes"}]
    known = {
        "text": "Ada met Bob",
        "images": {"image": ["0.png"]},
        "score": 0.5,
        "gold_score": 0.25,
        "counts": [0, 1, 1],
    }
    path.write_text("".join(f"{json.dumps({'id': str(i)} | known | row)}\n" for i, row in enumerate(rows)))


def errors_at(path: Path) -> None:
    _ = report_errors(path.parent, None).page


def stored(path: Path) -> None:
    rows = [{"path": f"{i}.png", "bytes": 9, "changed": 1, "row": i, "crc": 1} for i in range(4)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    path.with_suffix(".bin").write_bytes(bytes(4 * 3 * 8 * 8))


def of_captions(path: Path) -> None:
    rows = [{"id": str(i), "texts": {"zh": [f"狗{i}"], "en": ["dog"]}, "image": f"{i}.png"} for i in range(9)]
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))


def of_emoji(path: Path) -> None:
    row = {"zh": "狗", "en": "dog", "zh_keywords": ["狗"], "en_keywords": ["pet"]}
    rows = ({"id": f"{i}", "image": f"{i}.png"} | row for i in range(9))
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))


def of_flags(path: Path) -> None:
    path.write_text("cca2\tname_en\tname_zh\n" + "".join(f"f{i}\tFlag {i}\t旗{i}\n" for i in range(9)))


def of_flickr8k(path: Path) -> None:
    path.write_text("".join(f"{i}.jpg#zhc#{n} 一只狗\n" for i in range(3) for n in range(3)))
    for i, split in enumerate(("train", "val", "test")):
        path.with_name(f"flickr8k{split}.txt").write_text(f"{i}\n")


def of_texts(path: Path) -> None:
    for split in ("train", "valid", "test"):
        rows = (f'{{"text_id": {i}, "text": "狗", "image_ids": [{i}]}}\n' for i in range(5))
        path.with_name(f"{split}_texts.jsonl").write_text("".join(rows))


def of_base64(path: Path) -> None:
    of_texts(path)
    path.write_text("".join(f"{i}\tUE5H{i}A==\n" for i in range(5)))


def of_pairs(path: Path) -> None:
    of_texts(path.parents[3] / "x")
    (path.parents[3] / "train_texts.jsonl").unlink()
    with lmdb.open(str(path.parent), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        for i in range(90):
            transaction.put(str(i).encode(), pickle.dumps((i, i, "一只狗" * 5)))
        transaction.put(b"num_samples", b"90")


def captions_at(root: Path, form: str) -> None:
    drawn = form in CaptionSource.drawn_formats
    CaptionSource(DataSettings(str(root), format=form, split={"dev": 0.3, "test": 0.3, "seed": 0} if drawn else None))


KINDS: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], object]]] = {
    "zip": ("in/a.zip", zipped, lambda path: archive.unpack(path, path.parents[1] / "out")),
    "tar": ("in/a.tar.gz", tarred, lambda path: archive.unpack(path, path.parents[1] / "out")),
    "npy": ("visual.npy", lambda path: np.save(path, np.ones((4, 3), np.float32)), feature_tables.read_features),
    "pth": ("visual.pth", lambda path: torch.save(torch.ones(4, 3), path), feature_tables.read_features),
    "safetensors": (
        "visual.safetensors",
        lambda path: save_file({"x": torch.ones(4, 3)}, path),
        feature_tables.read_features,
    ),
    "weights": ("pytorch_model.bin", lambda path: torch.save({"x": torch.ones(4, 3)}, path), read_tensors),
    "checkpoint": ("best.ckpt", lambda path: torch.save({"mkgc": {"format": 1}, "state_dict": {}}, path), read),
    "npz": ("run/queries.npz", lambda path: ranked(path.parent, [1.0, 2.0, 3.0]), Queries.load),
    "predictions": ("run/predictions.jsonl", predicted_at, errors_at),
    "tokens": (
        "tokens.json",
        lambda path: path.write_text('{"e1": [1, 2], "e2": []}'),
        lambda path: feature_tables.read_tokens(path, {"e1": 0, "e2": 1}, 2),
    ),
    "tsv": ("train.tsv", of_graph, graph_at),
    "names": ("graph/entities.tsv", of_names, context_at),
    "triples": ("graph/triples.tsv", of_graph, context_at),
    "priors": ("graph/priors.tsv", of_priors, context_at),
    "vectors": ("v.safetensors", of_vectors, lambda path: read_node_vectors(path, ["e0"], ["near"], 3)),
    "mnre": ("txt/ours_train.txt", of_relations, relations_at),
    "twitter": ("train.txt", of_tags, lambda path: twitter.read(path.parent, "train", ())),
    "index": ("store/8.jsonl", stored, lambda path: SizedStore(path.parent, 8, path.parent).pixels()),
    "captions": ("captions.jsonl", of_captions, lambda path: captions_at(path.parent, "captions")),
    "emoji": ("emoji.jsonl", of_emoji, lambda path: captions_at(path.parent, "emoji_zh_keywords")),
    "flags": ("countries.tsv", of_flags, lambda path: captions_at(path.parent, "flags")),
    "flickr8k": ("flickr8kzhc.caption.txt", of_flickr8k, lambda path: captions_at(path.parent, "flickr8k_cn")),
    "texts": ("train_texts.jsonl", of_texts, lambda path: captions_at(path.parent, "chinese_clip")),
    "base64": ("train_imgs.tsv", of_base64, lambda path: captions_at(path.parent, "chinese_clip")),
    "lmdb": ("lmdb/train/pairs/data.mdb", of_pairs, lambda path: captions_at(path.parents[3], "chinese_clip")),
    "figures": ("runs/one/metrics.json", run_at, exit_on_user_error),
    "settings": ("runs/one/config.yaml", run_at, exit_on_user_error),
    "curves": ("runs/one/curves/metrics.csv", curve_at, curves_of),
    "sweep": ("runs/one/jobs.json", sweep_at, exit_on_user_error),
}


def tried(kind: str, folder: Path, seed: int, count: int) -> list[str]:
    name, write, use = KINDS[kind]
    path = folder / name
    if kind not in ("figures", "settings", "curves", "sweep"):
        path.parent.mkdir(parents=True, exist_ok=True)
    write(path)

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        use(path)

    return failures(damaged(path.read_bytes(), seed, count), attempt)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_used_or_refused_in_a_line(kind: str, tmp_path: Path) -> None:
    assert tried(kind, tmp_path, 0, 15) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", KINDS)
def test_hundreds_of_damaged_files_are_used_or_refused(kind: str, tmp_path: Path) -> None:
    assert tried(kind, tmp_path, 1, 400) == []
