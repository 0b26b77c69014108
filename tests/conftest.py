import os

# Before any import of the hub's client: it reads them once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "offline"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import gc
import json
import random
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from omegaconf import DictConfig
from PIL import Image

# Before mkgc: of what a module under jaxtyping's checks is the first to import, no compiled file is found.
for library in ("pytorch_lightning", "timm", "torch._dynamo", "transformers.models.bert.modeling_bert", "wandb"):
    import_module(library)

ARCHIVES = Path(__file__).parents[2] / "shared" / "data"

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 220)}

TINY = [
    "size.fused=1",
    "task.vocab_size=200",
    "size.text.config.hidden_size=32",
    "size.text.config.intermediate_size=64",
    "size.text.config.num_hidden_layers=2",
    "size.text.config.num_attention_heads=2",
    "size.vision.embed_dim=32",
    "size.vision.depth=2",
    "size.vision.num_heads=2",
    "size.vision.img_size=32",
    "size.knowledge={depth: 1, hidden_dim: 64}",
    "size.released={width: 32, depth: 2, heads: 2, hidden_dim: 64, fused: 1}",
    "data.images.image=32",
    "data.atlas_seed=null",
    "trainer.enable_progress_bar=false",
]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)  # tiny models: measured 21 ms a step with one thread, 182 with two


@pytest.fixture(autouse=True, scope="session")
def _settings_parsed_once() -> Iterator[None]:
    """Each file of the configuration is parsed once a session, and not for every composition: a quarter of its time."""
    parse, parsed = ImportlibResourcesConfigSource._read_config, {}

    def read(source: Any, file: Any) -> Any:
        if file not in parsed:
            parsed[file] = parse(source, file)
        return deepcopy(parsed[file])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImportlibResourcesConfigSource, "_read_config", read)
        yield


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def composed(*overrides: str, name: str = "train") -> DictConfig:
    with initialize_config_module("conf", version_base="1.3"):
        return compose(name, list(overrides))


@pytest.fixture
def tiny() -> Callable[..., DictConfig]:
    """A training configuration of a task over a folder, with a network of a few thousand weights."""

    def config(task: str, root: Path, *overrides: str) -> DictConfig:
        return composed(f"task={task}", f"data.root={root}", *TINY, *overrides)

    return config


@pytest.fixture
def made(tiny: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    """A task's network as it is before training, with its data and its configuration."""
    from mkgc.data.dataset import read_dataset
    from mkgc.training.checkpoint import build_task

    def make(task: str, root: Path, *overrides: str) -> tuple[Any, ...]:
        config = tiny(task, root, *overrides)
        dataset = read_dataset(config)
        model = build_task(config, dataset.processor).eval()
        return model, dataset, config

    return make


def paint(path: Path, colour: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 40), COLOURS[colour]).save(path)


def write_scenes(root: Path, colours: dict[str, str]) -> None:
    """The scene graphs of painted images: a square of that colour, in the middle of it a dot."""
    objects = [{"name": "square", "box": [0, 0, 1, 1]}, {"name": "dot", "box": [0.4, 0.4, 0.6, 0.6]}]
    lines = [
        {"image": image, "objects": [objects[0] | {"attributes": [colour]}, objects[1]], "relations": [[1, "in", 0]]}
        for image, colour in colours.items()
    ]
    (root / "scene_graphs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def corpus_root(tmp_path: Path) -> Path:
    """Sentences about two countries and their cities, in two shards, half of them linked by the linker."""
    root, draw = tmp_path / "corpus", random.Random(0)
    (root / "graph").mkdir(parents=True)
    triples = ["fr\tborders\tde", "paris\tcapital_of\tfr", "paris\tcity_of\tfr", "bonn\tcity_of\tde"]
    (root / "graph" / "triples.tsv").write_text("".join(f"{triple}\n" for triple in triples))
    (root / "graph" / "entity2text.txt").write_text("fr\tFrance\nde\tGermany\nparis\tParis\nbonn\tBonn\n")
    ids = {"Paris": "paris", "Bonn": "bonn", "France": "fr", "Germany": "de"}
    for name, count in (("train-0", 14), ("train-1", 10), ("dev", 8), ("test", 8)):
        lines = []
        for i in range(count):
            one, other = draw.sample(sorted(ids), 2)
            tokens = ["We", "saw", one, "and", other, *["today"] * draw.randint(0, 3), "."]
            links = [{"start": 2, "end": 3, "id": ids[one]}, {"start": 4, "end": 5, "id": ids[other]}]
            lines.append({"tokens": tokens} | ({"entities": links} if i % 2 else {}))
        (root / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root


@pytest.fixture
def mre_root(tmp_path: Path) -> Path:
    """Relations in MNRE's layout: the colour of the image is the relation."""
    root, draw, colours = tmp_path / "mre", random.Random(0), {}
    (root / "txt").mkdir(parents=True)
    labels = {"None": 0, "/a/a/likes": 1, "/a/a/knows": 2}
    (root / "ours_rel2id.json").write_text(json.dumps(labels))
    for split, count in (("train", 24), ("val", 8), ("test", 8)):
        rows = []
        for i in range(count):
            colour, relation = draw.choice(list(zip(COLOURS, labels, strict=True)))
            paint(root / "img_org" / split / f"{i}.png", colour)
            colours[f"img_org/{split}/{i}.png"] = colour
            tokens = ["Ada", "and", "Bob", *["today"] * draw.randint(0, 4), "."]
            head, tail = {"name": "Ada", "pos": [0, 1]}, {"name": "Bob", "pos": [2, 3]}
            rows.append({"token": tokens, "h": head, "t": tail, "img_id": f"{i}.png", "relation": relation})
        (root / "txt" / f"ours_{split}.txt").write_text("".join(f"{row!r}\n" for row in rows))
    write_scenes(root, colours)
    return root


@pytest.fixture
def mner_root(tmp_path: Path) -> Path:
    """Mentions in Twitter's layout: a red image makes the name a person, any other a place."""
    root, draw, number, colours = tmp_path / "mner", random.Random(0), 0, {}
    for split, count in (("train", 24), ("valid", 8), ("test", 8)):
        blocks = []
        for _ in range(count):
            number += 1
            colour = draw.choice(list(COLOURS))
            kind = "PER" if colour == "red" else "LOC"
            paint(root / "images" / f"{number}.png", colour)
            colours[f"{number}.png"] = colour
            rows = [("We", "O"), ("saw", "O"), ("Paris", f"B-{kind}"), ("Hilton", f"I-{kind}")]
            rows += [("again", "O")] * draw.randint(0, 3)
            blocks.append(f"IMGID:{number}\n" + "".join(f"{word}\t{tag}\n" for word, tag in rows) + "\n")
        (root / f"{split}.txt").write_text("".join(blocks))
    write_scenes(root, colours)
    return root


@pytest.fixture
def kg_root(tmp_path: Path) -> Path:
    """A graph in FB15k-237-IMG's layout with twelve entities, images for half of them."""
    root, draw = tmp_path / "kg", random.Random(0)
    root.mkdir()
    entities = [f"e/{i}" for i in range(12)]
    (root / "entities.txt").write_text("\n".join(entities) + "\n")
    (root / "relations.txt").write_text("near\nlikes\n")
    (root / "relation2text.txt").write_text("near\tis near\nlikes\tlikes\n")
    (root / "entity2text.txt").write_text("".join(f"{e}\tname {i}\n" for i, e in enumerate(entities)))
    (root / "entity2textlong.txt").write_text("".join(f"{e}\tthing number {i}\n" for i, e in enumerate(entities)))
    for entity in entities[::2]:
        paint(root / "images" / entity.replace("/", ".") / "0.png", draw.choice(list(COLOURS)))
    pairs = [(h, r, t) for h in entities for r in ("near", "likes") for t in entities if h != t]
    draw.shuffle(pairs)
    for split, part in (("train", pairs[:60]), ("dev", pairs[60:72]), ("test", pairs[72:84])):
        (root / f"{split}.tsv").write_text("".join("\t".join(triple) + "\n" for triple in part))
    return root


def write_jsonl(path: Path, records: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def write_graph(root: Path) -> None:
    """A knowledge graph of two countries and their cities."""
    triples = [("fr", "borders", "de"), ("paris", "capital_of", "fr"), ("bonn", "city_of", "de")]
    root.mkdir(parents=True, exist_ok=True)
    (root / "triples.tsv").write_text("".join("\t".join(triple) + "\n" for triple in triples))
    (root / "entity2text.txt").write_text("fr\tFrance\nde\tGermany\nparis\tParis\nbonn\tBonn\n")


@pytest.fixture
def typing_root(tmp_path: Path) -> Path:
    """Mentions with types, in sentences that a graph is read with: links stand in every second record."""
    root, draw = tmp_path / "typing", random.Random(0)
    write_graph(root / "graph")
    kinds = {"Paris": ["capital", "city"], "Bonn": ["city"], "France": ["country"], "Germany": ["country"]}
    ids = {"Paris": "paris", "Bonn": "bonn", "France": "fr", "Germany": "de"}
    for split, count in (("train", 24), ("dev", 8), ("test", 8)):
        records = []
        for i in range(count):
            name, other = draw.sample(sorted(kinds), 2)
            tokens = ["We", "saw", name, "and", other, *["today"] * draw.randint(0, 3), "."]
            links = [{"start": 2, "end": 3, "id": ids[name]}, {"start": 4, "end": 5, "id": ids[other]}]
            record = {"tokens": tokens, "mention": [2, 3], "types": kinds[name]}
            records.append(record | ({"entities": links} if i % 2 else {}))
        write_jsonl(root / f"{split}.jsonl", records)
    return root


@pytest.fixture
def linked_root(tmp_path: Path) -> Path:
    """Sentences about two things, in bags: the graph says how these are related."""
    root, draw = tmp_path / "linked", random.Random(0)
    write_graph(root / "graph")
    pairs = [("Paris", "France", "capital_of"), ("Bonn", "Germany", "city_of"), ("Paris", "Bonn", "NA")]
    for split, count in (("train", 24), ("dev", 8), ("test", 8)):
        records = []
        for _ in range(count):
            head, tail, relation = draw.choice(pairs)
            text = f"{head} and {' '.join(['also'] * draw.randint(1, 3))} {tail} ."
            records.append({"text": text, "head": head, "tail": tail, "relation": relation})
        write_jsonl(root / f"{split}.jsonl", records)
    return root


@pytest.fixture
def captions_root(tmp_path: Path) -> Path:
    """Captions of coloured images in two languages: some images have two captions, one caption has two images."""
    root, draw = tmp_path / "captions", random.Random(0)
    for split, count in (("train", 20), ("dev", 8), ("test", 8)):
        records: list[dict[str, Any]] = []
        for i in range(count):
            colour = draw.choice(list(COLOURS))
            paint(root / "images" / split / f"{i}.png", colour)
            texts = [f"a {colour} square , number {i}", *([f"第{i}张图"] if i % 3 == 0 else [])]
            records.append({"id": f"{split}{i}", "texts": texts, "image": f"images/{split}/{i}.png"})
        records.append({"text": f"two of {split}", "image": [f"images/{split}/{i}.png" for i in (0, 1)]})
        write_jsonl(root / f"{split}.jsonl", records)
    return root


def write_table(path: Path, titles: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in (titles, *rows)))


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of two small towers with random weights, which know the characters of :func:`poems_root`."""
    from mkgc.data.dataset import read_dataset
    from mkgc.training.checkpoint import build_task, save

    root = tmp_path_factory.mktemp("teacher")
    paint(root / "red.png", "red")
    for split in ("train", "dev", "test"):
        write_jsonl(root / f"{split}.jsonl", [{"text": " ".join(POEM_WORDS), "image": "red.png"}])
    torch.manual_seed(0)
    config = composed("task=retrieval", f"data.root={root}", *TINY, "backbone.dim=16")
    save(build_task(config, read_dataset(config).processor), root / "teacher.ckpt")
    return root / "teacher.ckpt"


POEM_WORDS = ("明月", "月亮", "团圆", "青山", "山", "流水", "泉", "松", "孤舟", "夜", "床前", "光", "照")


@pytest.fixture
def poems_root(tmp_path: Path, teacher: Path) -> Path:
    """Lines of made-up poems with a graph of their words, two of which have images, and a teacher of these."""
    root, draw = tmp_path / "poems", random.Random(0)
    graph = root / "graph"
    for colour in COLOURS:
        paint(graph / "images" / f"{colour}.png", colour)
    write_table(graph / "words.tsv", ("id", "word", "count"), [(i, word, 3) for i, word in enumerate(POEM_WORDS[:8])])
    edges = [("明月", "月亮", 3), ("明月", "团圆", 2), ("明月", "松", 1), ("青山", "山", 1), ("流水", "泉", 2)]
    write_table(graph / "edges.tsv", ("word", "neighbour", "weight", "kind"), [(*edge, "keyword") for edge in edges])
    shown = [("明月", "red", 2), ("明月", "blue", 1), ("青山", "green", 1), ("泉", "blue", 1)]
    write_table(graph / "images.tsv", ("word", "image", "weight"), [(w, f"images/{i}.png", n) for w, i, n in shown])
    lines = [draw.choices(POEM_WORDS, k=draw.randint(2, 5)) for _ in range(48)]
    poems = [{"title": words[0], "text": f"{''.join(words)}，{''.join(words[::-1])}。"} for words in lines]
    write_jsonl(root / "poems.jsonl", [{"id": str(i), **poem} for i, poem in enumerate(poems)])
    rated = [(i, colour, draw.choice([0, 0.5, 1])) for i in range(len(poems)) for colour in COLOURS]
    judged = [{"poem": str(i), "image": f"graph/images/{name}.png", "judgement": value} for i, name, value in rated]
    write_jsonl(root / "judgements.jsonl", judged)
    (root / "teacher.ckpt").hardlink_to(teacher)
    return root


@pytest.fixture
def roots(
    mre_root: Path,
    mner_root: Path,
    kg_root: Path,
    typing_root: Path,
    linked_root: Path,
    corpus_root: Path,
    captions_root: Path,
    poems_root: Path,
) -> dict[str, Path]:
    """A small data set for each task."""
    return {
        "mre": mre_root,
        "mner": mner_root,
        "link_prediction": kg_root,
        "entity_typing": typing_root,
        "relation_classification": linked_root,
        "knowledge_pretraining": corpus_root,
        "retrieval": captions_root,
        "poetry_pretraining": poems_root,
        "poetry_retrieval": poems_root,
    }


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command as `python -m mkgc.VERB …` would and returns its exit code and what it printed."""

    def command(verb: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [f"mkgc.{verb}", *arguments])
        try:
            import_module(f"mkgc.{verb}").main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return command


def said(err: str) -> str:
    """The one line of an error."""
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    return lines[0].removeprefix("mkgc: ")


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpacks a public data set whose archive lies beside the checkout; without it the test is skipped."""
    folder = tmp_path_factory.mktemp("real")

    @cache
    def unpacked(name: str) -> Path:
        archive = ARCHIVES / f"{name}.tar.xz"
        if not archive.is_file():
            pytest.skip(f"../shared/data/{archive.name} is not there: public data are not part of the repository")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        return folder / name

    return unpacked


@pytest.hookimpl(tryfirst=True)  # before the markers decide what is run
def pytest_collection_finish() -> None:
    """Lets no collection of garbage look again at all that was imported: half a second each, and there are dozens."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Reading whole public data sets takes minutes under the checks of shapes: that is for the slow tier."""
    for item in items:
        if "real" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
