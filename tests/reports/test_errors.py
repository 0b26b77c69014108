"""The errors of a run: its tables, and the page of its worst examples, whatever the data hold."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mkgc.analysis.predictions import Predictions
from mkgc.analysis.queries import Queries
from mkgc.reports.answer_errors import CONFUSIONS
from mkgc.reports.error_report import WORST
from mkgc.reports.errors import report_errors
from mkgc.reports.table import shown
from mkgc.train import train
from tests.conftest import paint, said
from tests.test_report import begun, finished, linked

HOSTILE = (
    "<script>alert(1)</script>",
    "\u202etxt.exe",
    "\x1b[31mred",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "a\u2028b",
    "&lt;",
)


def relation(number: int, gold: str, predicted: str, sure: float, **more: Any) -> dict[str, Any]:
    counts = [int(gold == predicted != "None"), int(predicted != "None"), int(gold != "None")]
    return {
        "id": str(number), "text": f"Ada met Bob {number}", "images": {"image": [f"{number}.png"]}, "head": "Ada",
        "tail": "Bob", "gold": gold, "predicted": predicted, "score": 0.5, "gold_score": sure, "counts": counts,
    } | more  # fmt: skip


def tagged(number: int, gold: list[Any], predicted: list[Any], sure: float, **more: Any) -> dict[str, Any]:
    counts = [len({*gold} & {*predicted}), len(predicted), len(gold)]
    spans = [[{"type": t, "start": s, "end": e} for t, s, e in part] for part in (gold, predicted)]
    words = ["Ada", "met", "New", "York"]
    return {
        "id": str(number), "text": " ".join(words), "tokens": words, "images": {}, "gold": spans[0],
        "predicted": spans[1], "score": sure, "gold_score": sure, "counts": counts,
    } | more  # fmt: skip


def recorded(folder: Path, rows: list[dict[str, Any]], root: Path | None = None, task: str = "mre") -> Path:
    """A finished run with predictions, whose data lie at ``root``, and without a checkpoint."""
    begun(folder, task=task, data={"root": str(root or folder)})
    figures = {"test": {"f1": 0.5}, "task": task, "seed": 0, "metric": "f1"}
    (folder / "metrics.json").write_text(json.dumps(figures))
    (folder / "predictions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


class Elements(HTMLParser):
    """The elements of a page, and the text in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data.strip())


def cells(folder: Path, title: str) -> list[tuple[str, ...]]:
    found = next(table for table in report_errors(folder, None).tables if table.title.startswith(title))
    return [tuple(map(shown, row)) for row in found.rows]


def test_classes_confusions_and_groups_of_relations_are_tables(tmp_path: Path) -> None:
    rows = [
        relation(0, "knows", "knows", 0.9),
        relation(1, "knows", "likes", 0.2),
        relation(2, "likes", "likes", 0.6, images={}),
        relation(3, "None", "likes", 0.1, text="w " * 10 + "w"),
        relation(4, "None", "None", 0.8),
    ]
    folder = recorded(tmp_path / "run", rows)
    assert cells(folder, "Classes (None: not counted in F1)") == [
        ("None", "1.0000", "0.5000", "0.6667", "2", "1"),
        ("knows", "1.0000", "0.5000", "0.6667", "2", "1"),
        ("likes", "0.3333", "1.0000", "0.5000", "1", "3"),
    ]
    assert cells(folder, "What was taken") == [("None", "likes", "1"), ("knows", "likes", "1")]
    assert cells(folder, "Length") == [
        ("1 to 10 words", "4", "0.6667", "0.6667", "0.6667", "0.7500"),
        ("11 to 20 words", "1", "0.0000", "0.0000", "0.0000", "0.0000"),
    ]
    assert [row[:2] for row in cells(folder, "Images")] == [("with images", "4"), ("without images", "1")]


def test_the_least_probable_answers_come_first(tmp_path: Path) -> None:
    rows = [relation(i, "knows", "likes", 1 / (1 + i)) for i in range(WORST + 5)]
    found = report_errors(recorded(tmp_path / "run", rows), None)
    assert [case.name for case in found.cases] == [f"example {i}" for i in range(WORST + 4, 4, -1)]
    assert ("gold", "knows, probability 0.0095") in found.cases[0].facts
    assert found.title == f"Errors of {tmp_path}/run: mre, text only, test f1 0.5000"


def test_sentences_with_most_wrong_entities_come_first_then_the_least_certain(tmp_path: Path) -> None:
    rows = [
        tagged(0, [("PER", 0, 1)], [("PER", 0, 1)], 0.1),
        tagged(1, [("LOC", 2, 4)], [("LOC", 2, 3)], 0.9),
        tagged(2, [("LOC", 2, 4)], [("ORG", 2, 4)], 0.3),
        tagged(3, [("PER", 0, 1), ("LOC", 2, 4)], [("ORG", 2, 4)], 0.99),
    ]
    folder = recorded(tmp_path / "run", rows, task="mner")
    found = report_errors(folder, None)
    assert [case.name for case in found.cases] == [f"example {i}" for i in (3, 2, 1, 0)]
    assert found.cases[0].words == [("Ada", "gold"), ("met", ""), ("New", "gold wrong"), ("York", "gold wrong")]
    assert found.cases[3].words[0] == ("Ada", "gold right")
    assert dict(found.cases[0].facts)["gold"].startswith("Ada [PER], New York [LOC]")
    assert cells(folder, "What was taken") == [
        ("LOC", "ORG", "2"), ("LOC", "LOC with other ends", "1"), ("PER", "nothing", "1"),
    ]  # fmt: skip
    assert ("the model was shown no image: there is no relevance of images") in found.notes


def test_images_are_in_the_page_and_those_that_are_not_there_are_said(run: Callable[..., Any], tmp_path: Path) -> None:
    paint(tmp_path / "data" / "0.png", "red")
    (tmp_path / "data" / "1.png").write_bytes(b"no image")
    rows = [relation(i, "knows", "likes", 0.1 * i) for i in range(3)]
    rows.append(relation(3, "knows", "likes", 0.4, images={}))
    folder = recorded(tmp_path / "run", rows, tmp_path / "data")
    code, out, err = run("report", f"errors={folder}")
    assert code == 0
    assert out.startswith("Classes")
    assert f"the relevance of images is not known: no checkpoint at '{folder}/best.ckpt'" in err
    assert f"the 4 worst examples: {folder}/errors.html" in err
    page = Elements((folder / "errors.html").read_text("utf-8"))
    addresses = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert len(addresses) == 1
    assert str(addresses[0]).startswith("data:image/jpeg;base64,")
    assert [text for text in page.text if text.startswith("no image")] == [
        "no image: not an image", "no image: missing", "no image",
    ]  # fmt: skip


def test_data_that_have_moved_are_said_and_found_at_root(run: Callable[..., Any], tmp_path: Path) -> None:
    paint(tmp_path / "moved" / "0.png", "red")
    folder = recorded(tmp_path / "run", [relation(0, "knows", "likes", 0.1)], tmp_path / "gone")
    code, _, err = run("report", f"errors={folder}")
    assert code == 0
    assert f"no image can be shown: the data are not at '{tmp_path}/gone'" in err
    assert "give root=DIR" in err
    assert "<img" not in (folder / "errors.html").read_text()


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_the_data_hold_is_text(text: str, run: Callable[..., Any], tmp_path: Path) -> None:
    name = text.replace("/", "")
    rows = [
        relation(0, text, "likes", 0.1, id=text, text=text, head=text, images={"image": [f"{name}.png"], text: [text]}),
        relation(1, "likes", text, 0.1, tail=text),
    ]
    paint(tmp_path / "run" / f"{name}.png", "red")
    shutil.move(tmp_path / "run", tmp_path / "data")
    folder = recorded(tmp_path / "run", rows, tmp_path / "data")
    code, out, err = run("report", f"errors={folder}")
    assert code == 0
    page = (folder / "errors.html").read_text("utf-8")
    for printed in (page, out, err):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", printed)
    found = Elements(page)
    assert {tag for tag, _ in found.tags} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "div", "table", "thead", "tbody",
        "tr", "th", "td", "article", "figure", "figcaption", "img", "span", "dl", "dt", "dd",
    }  # fmt: skip
    assert {key for _, attributes in found.tags for key in attributes} <= {
        "lang", "charset", "name", "content", "class", "scope", "src", "alt",
    }  # fmt: skip
    assert [a["src"] for tag, a in found.tags if tag == "img" and not str(a["src"]).startswith("data:")] == []
    assert "49" not in found.text


def test_tables_name_the_most_frequent_confusions_only(tmp_path: Path) -> None:
    rows = [relation(i, f"r{i:02}", "None", 0.5) for i in range(CONFUSIONS + 3)]
    (table,) = (t for t in report_errors(recorded(tmp_path / "run", rows), None).tables if "taken" in t.title)
    assert table.title == f"What was taken for what, the {CONFUSIONS} most frequent of {CONFUSIONS + 3} pairs"
    assert len(table.rows) == CONFUSIONS


def test_the_queries_with_the_worst_ranks_come_first_also_without_their_graph(tmp_path: Path) -> None:
    folder = linked(tmp_path / "run", [3.0, 40.0, 1.0, 7.5])
    found = report_errors(folder, None)
    assert [dict(case.facts)["rank"] for case in found.cases] == ["40 of 50", "7.5 of 50", "3 of 50", "1 of 50"]
    assert found.notes[0].startswith("entities are numbers, and have no images: no checkpoint at")
    assert [table.title for table in found.tables] == ["Groups of queries", "Images", "Relations that cost most"]
    assert [row[0] for row in found.tables[2].rows] == ["knows", "likes|[red]"]


@pytest.mark.slow
def test_what_has_no_errors_to_show_is_one_line(run: Callable[..., Any], tmp_path: Path) -> None:
    good = recorded(tmp_path / "good", [relation(0, "knows", "likes", 0.1)])
    none = finished(tmp_path / "none", f1=0.5)
    ranks = finished(tmp_path / "ranks", task="link_prediction", mrr=0.5)
    cut = recorded(tmp_path / "cut", [relation(0, "knows", "likes", 0.1)])
    (cut / "predictions.jsonl").write_bytes((cut / "predictions.jsonl").read_bytes()[:50])
    for arguments, line in (
        (["errors=x"], "x: there is no such folder: give that of a run"),
        ([f"errors={none}"], f"{none}/predictions.jsonl: is not there: no predictions were recorded"),
        ([f"errors={ranks}"], f"{ranks}/queries.npz: is not there: no ranked queries were recorded"),
        (
            [f"errors={cut}"],
            f"{cut}/predictions.jsonl:1: is no prediction as a test records them: test the run anew",
        ),
        ([f"errors={good}", "output=x.md"], "output=x.md: a page of errors must end with .html"),
        ([f"errors={good}", "output=no/x.html"], f"output=no/x.html: there is no folder {tmp_path / 'no'}"),
        ([f"errors={good}", "root=x"], f"no checkpoint at '{good}/best.ckpt'"),
        ([f"errors={good}", "runs=x"], "runs and errors are two different things: give one"),
        (["runs=x", "root=x"], "root=x says where the data of errors=RUN lie: leave it out"),
    ):
        code, out, err = run("report", *arguments)
        assert (code, out, said(err)) == (2, "", line)
    assert not [*tmp_path.rglob("*.html")]


def test_other_predictions_than_tests_leave_are_refused(tmp_path: Path) -> None:
    row, entity = relation(0, "knows", "likes", 0.1), {"type": "PER", "start": 0, "end": 1}
    tags = tagged(0, [("PER", 0, 1)], [], 0.5)
    for number, wrong in enumerate(
        [
            [],
            {},
            row | {"gold": 1},
            row | {"gold": [entity]},
            row | {"score": 1.5},
            row | {"score": True},
            row | {"gold_score": None},
            row | {"counts": [1, 0, 1]},
            row | {"counts": [0, 1 << 40, 1]},
            row | {"counts": [0, 1]},
            row | {"images": ["a.png"]},
            row | {"images": {"image": "a.png"}},
            row | {"id": 3},
            tags | {"gold": [entity | {"end": 9}]},
            tags | {"gold": [entity | {"start": 0.0}]},
            tags | {"gold": [entity | {"type": None}]},
            tags | {"tokens": "Ada"},
        ]
    ):
        folder = recorded(tmp_path / str(number), [wrong])
        with pytest.raises(Exception, match="is no prediction as a test records them"):
            Predictions.load(folder / "predictions.jsonl")
    mixed = recorded(tmp_path / "mixed", [row, tags])
    with pytest.raises(Exception, match="has labels and entities, as no test leaves them"):
        Predictions.load(mixed / "predictions.jsonl")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["mre", "mner"])
def test_a_trained_model_tells_what_its_images_do(
    task: str, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train(tiny(task, roots[task], "task.epochs=1"), tmp_path / "run")
    found = report_errors(tmp_path / "run", None)
    assert found.notes == []
    relevance = next(table for table in found.tables if table.title.startswith("Relevance"))
    assert sum(int(row[1]) for row in relevance.rows) == 8
    assert any(table.title.startswith("The same model without images") for table in found.tables)
    assert all("without images" in dict(case.facts) for case in found.cases)
    assert len(found.cases) == 8
    shutil.move(roots[task], tmp_path / "moved")
    assert any("give root=DIR" in note for note in report_errors(tmp_path / "run", None).notes)
    assert report_errors(tmp_path / "run", str(tmp_path / "moved")).tables[-1].rows == found.tables[-1].rows


def test_a_model_that_reads_no_image_has_the_same_probabilities_without(
    mre_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train(tiny("mre", mre_root, "task.epochs=1", "backbone=text_only"), tmp_path / "run")
    found = report_errors(tmp_path / "run", None)
    assert found.notes == ["the model was shown no image: there is no relevance of images"]
    assert all(case.images == [] for case in found.cases)


def test_a_graphs_entities_have_names_and_images(kg_root: Path, tiny: Callable[..., Any], tmp_path: Path) -> None:
    train(tiny("link_prediction", kg_root, "backbone=kge/distmult", "task.epochs=1"), tmp_path / "run")
    found = report_errors(tmp_path / "run", None)
    assert found.notes == ["the model was shown no image: there is no relevance of images"]
    assert found.tables[1].title == "Length of the known entity's text"
    assert len(found.cases) == 24
    assert {part for case in found.cases for part, _ in case.words} >= {"?", "is near"}
    assert any(re.fullmatch(r"name \d+ \(e/\d+\)", part) for part, _ in found.cases[0].words)


@pytest.mark.slow
def test_a_model_of_prompts_ranks_once_more_without_images(
    kg_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train(tiny("link_prediction", kg_root, "backbone=mkgformer", "task.epochs=1", "smoke=true"), tmp_path / "run")
    found = report_errors(tmp_path / "run", None)
    assert found.notes == ["a smoke run: its ranks mean nothing"]
    relevance = next(table for table in found.tables if table.title.startswith("Relevance"))
    shown = Queries.load(tmp_path / "run" / "queries.npz").table["images"] > 0
    assert sum(int(row[1]) for row in relevance.rows) == shown.sum()
    assert all("; without images " in dict(case.facts)["rank"] for case in found.cases)
    assert any(case.images for case in found.cases)


def test_images_that_a_model_has_in_its_vectors_are_not_left_out(
    kg_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train(tiny("link_prediction", kg_root, "backbone=kge/ikrl", "task.epochs=1", "smoke=true"), tmp_path / "run")
    (note,) = report_errors(tmp_path / "run", None).notes[1:]
    assert note.endswith("what this model knows of images is in its vectors, and cannot be left out")


@pytest.mark.slow
def test_a_browser_shows_the_page_without_a_complaint(tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("needs chromium")
    paint(tmp_path / "data" / "0.png", "red")
    rows = [relation(i, text, "likes", 0.1, text=text) for i, text in enumerate(HOSTILE)]
    page = tmp_path / "errors.html"
    page.write_text(report_errors(recorded(tmp_path / "run", rows, tmp_path / "data"), None).page)
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom")
    done = subprocess.run(
        [browser, *flags, page.as_uri()],
        capture_output=True, text=True, timeout=120, env={"HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count("<article") == len(HOSTILE)
    assert "<script" not in done.stdout
