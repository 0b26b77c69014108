"""A checkpoint goes to another machine: images come from the data read there, entities are found by their ids."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mkgc
from mkgc.data.dataset import found_again, read_dataset
from mkgc.errors import ConfigError, DataError
from mkgc.evaluate import evaluate
from mkgc.training.checkpoint import build_task, read, save
from tests.conftest import composed

ASKED = [{"head": "e/0", "relation": "near"}, {"head": "e/1", "relation": "near"}, {"head": "e/2", "tail": "e/4"}]


@pytest.fixture
def checkpoint(built: Callable[..., Any], tmp_path: Path) -> Path:
    """An untrained model that looks at the images of the entities e/0, e/2, …, e/10."""
    save(built()[0], tmp_path / "model.ckpt")
    return tmp_path / "model.ckpt"


@pytest.fixture
def figures(checkpoint: Path) -> Any:
    """What the model scores on the graph at a place, by default where it was made."""

    def score(root: Path | None = None) -> dict[str, float]:
        keys = [] if root is None else [f"root={root}"]
        return evaluate(composed(f"checkpoint={checkpoint}", *keys, name="evaluate"))

    return score


def _moved(root: Path, place: Path) -> Path:
    shutil.copytree(root, place)
    return place


def _shuffled(root: Path, place: Path) -> Path:
    """The same graph, its entities and relations listed in another order."""
    for name in ("entities.txt", "relations.txt"):
        lines = (_moved(root, place) if not place.exists() else place).joinpath(name).read_text().splitlines()
        random.Random(1).shuffle(lines)
        (place / name).write_text("\n".join(lines) + "\n")
    return place


def test_a_graph_that_was_copied_scores_the_same_images_and_all(
    figures: Any, kg_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, table = figures(), capsys.readouterr().out
    assert figures(kg_root) == before
    assert figures(_moved(kg_root, tmp_path / "copy")) == before
    assert "6 (50%)" in table
    shutil.rmtree(kg_root)
    assert figures(tmp_path / "copy") == before


def test_images_that_are_gone_are_missed(
    figures: Any, kg_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = _moved(kg_root, tmp_path / "bare")
    shutil.rmtree(bare / "images")
    before = figures()
    capsys.readouterr()
    assert figures(bare) != before
    assert "0 (0%)" in capsys.readouterr().out


def test_entities_and_relations_are_found_by_id_whatever_their_order(
    figures: Any, kg_root: Path, tmp_path: Path
) -> None:
    assert figures(_shuffled(kg_root, tmp_path / "shuffled")) == pytest.approx(figures(), abs=1e-6)


@pytest.mark.parametrize("backbone", ["kge/distmult", "text_only"])
def test_so_they_are_without_images(backbone: Any, built: Callable[..., Any], kg_root: Path, tmp_path: Path) -> None:
    save(built(f"backbone={backbone}")[0], tmp_path / "model.ckpt")
    scores = [
        evaluate(composed(f"checkpoint={tmp_path / 'model.ckpt'}", f"root={root}", name="evaluate"))
        for root in (kg_root, _shuffled(kg_root, tmp_path / "shuffled"))
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_a_graph_of_other_entities_is_named(figures: Any, kg_root: Path) -> None:
    with (kg_root / "entities.txt").open("a") as file:
        file.write("e/new\n")
    with pytest.raises(DataError, match="^the graph has the entity 'e/new', which the model was not trained on$"):
        figures(kg_root)
    lines = (kg_root / "entities.txt").read_text().splitlines()
    (kg_root / "entities.txt").write_text("\n".join(lines[:-1]).replace("e/3\n", "e/new\n"))
    for name in ("train.tsv", "dev.tsv", "test.tsv"):
        text = (kg_root / name).read_text()
        (kg_root / name).write_text(text.replace("e/3\t", "e/new\t").replace("e/3\n", "e/new\n"))
    with pytest.raises(DataError, match="^the graph has the entity 'e/new', which"):
        figures(kg_root)


def test_predictions_show_the_images_of_the_graph_at_root(checkpoint: Any, kg_root: Path, tmp_path: Path) -> None:
    here = mkgc.load(checkpoint).predict(ASKED)
    assert not any("bad_images" in answer for answer in here)
    copy = _moved(kg_root, tmp_path / "copy")
    shutil.rmtree(kg_root)
    model = mkgc.load(checkpoint)
    assert model.predict(ASKED, root=copy) == here
    assert model.predict(ASKED, root=copy, exclude_known=True) != here
    assert model.predict(ASKED, root=_shuffled(copy, tmp_path / "shuffled")) == here


def test_without_the_graph_an_answer_says_that_it_saw_no_image(checkpoint: Any, kg_root: Path) -> None:
    with_images = mkgc.load(checkpoint).predict(ASKED)
    shutil.rmtree(kg_root)
    answers = mkgc.load(checkpoint).predict(ASKED)
    said = f"no image of the entity: the data that the model was trained on are not at '{kg_root}': give root=DIR"
    assert [answer.get("bad_images") for answer in answers] == [[said], None, [said]]
    assert answers[0] != with_images[0]
    assert answers[1] == with_images[1]
    with pytest.raises(ConfigError, match=r"^root=nowhere: there is no such folder$"):
        mkgc.load(checkpoint).predict(ASKED, root="nowhere")


@pytest.mark.parametrize(
    ("task", "asked"),
    [
        ("mre", {"text": "Ada and Bob today", "head": "Ada", "tail": "Bob"}),
        ("mner", {"text": "We saw Paris Hilton"}),
        ("link_prediction", ASKED[1]),
    ],
)
def test_a_checkpoint_answers_where_no_path_of_its_training_exists(
    task: Any, asked: Any, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    config = tiny(task, roots[task])
    model = build_task(config, read_dataset(config).processor).eval()
    save(model, tmp_path / "model.ckpt")
    here = mkgc.load(tmp_path / "model.ckpt").predict([asked])
    carried = read(tmp_path / "model.ckpt")["mkgc"]
    assert str(roots[task]) not in repr([carried["processor"], carried["architecture_configs"]])
    shutil.rmtree(roots[task])
    assert mkgc.load(tmp_path / "model.ckpt").predict([asked]) == here


def test_the_atlas_is_built_in_its_own_place_and_nowhere_that_a_checkpoint_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = composed("task=mre")
    assert found_again(config) == config
    assert found_again(config, tmp_path).data.atlas_seed is None
    for place in (tmp_path / "elsewhere" / "mre", "other/mre", "data/atlas/../../x/mre"):
        config.data.root = str(place)
        seen = "" if Path(place).is_absolute() else f", seen from '{tmp_path}'"
        with pytest.raises(ConfigError) as error:
            found_again(config)
        assert str(error.value) == f"the data that the model was trained on are not at '{place}'{seen}: give root=DIR"
    (tmp_path / "other" / "mre").mkdir(parents=True)
    config.data.root = "other/mre"
    assert found_again(config).data.atlas_seed is None


def test_another_folder_of_that_name_is_told_with_the_key_that_names_the_right_one(
    figures: Any, kg_root: Path, tmp_path: Path
) -> None:
    shutil.move(kg_root, tmp_path / "moved")
    kg_root.mkdir()
    with pytest.raises(DataError, match="if the data that the model was trained on lie elsewhere, give root=DIR$"):
        figures()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty/train\.tsv: no such file$"):
        figures(tmp_path / "empty")


def test_prepared_images_of_another_place_are_left_there(
    tiny: Callable[..., Any], mre_root: Path, tmp_path: Path
) -> None:
    config = tiny("mre", mre_root, f"data.store={tmp_path}")
    assert found_again(config).data.store == str(tmp_path)
    assert found_again(config, tmp_path).data.store is None


def test_another_image_takes_a_broken_ones_place_in_predictions_too(checkpoint: Any, kg_root: Path) -> None:
    """As it does in training; the broken one is told."""
    folder, model = kg_root / "images" / "e.0", mkgc.load(checkpoint)
    (whole,) = model.predict(ASKED[:1])
    (folder / "0.png").rename(folder / "1.png")
    (folder / "0.png").write_bytes(b"no image")
    model = mkgc.load(checkpoint)
    (answer,), (again,) = model.predict(ASKED[:1]), model.predict(ASKED[:1])
    assert answer == again
    assert "0.png: not an image" in answer.pop("bad_images")[0]
    assert answer == whole
