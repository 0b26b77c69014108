"""What the data say acts on no terminal: names, labels and paths are shown with escapes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.errors import printable
from tests.conftest import TINY, paint

ACTING = "\x1b[31m\u202e\x07[red]"


@pytest.fixture
def acting_mre(tmp_path: Path) -> Path:
    """Relations, mentions, images and a folder whose names would colour, turn and ring."""
    root, labels = tmp_path / f"mre{ACTING}", {"None": 0, f"a{ACTING}\n": 1, "\u2028b\x9b2J": 2}
    (root / "txt").mkdir(parents=True)
    (root / "ours_rel2id.json").write_text(json.dumps(labels))
    for split, count in (("train", 9), ("val", 6), ("test", 6)):
        rows = []
        for i in range(count):
            image, relation = f"{i}{ACTING}\n.png", [*labels][i % 3]
            paint(root / "img_org" / split / image, "red")
            tokens = [f"Ada{ACTING}", "and", "Bob", "."]
            head, tail = {"name": tokens[0], "pos": [0, 1]}, {"name": "Bob", "pos": [2, 3]}
            rows.append({"token": tokens, "h": head, "t": tail, "img_id": image, "relation": relation})
        (root / "img_org" / split / f"0{ACTING}\n.png").write_bytes(b"broken")
        (root / "img_org" / split / f"nobody's{ACTING}.png").write_bytes(b"")
        (root / "txt" / f"ours_{split}.txt").write_text("".join(f"{row!r}\n" for row in rows))
    return root


@pytest.fixture
def acting_kg(kg_root: Path) -> Path:
    """A graph whose entities and relations have such names and texts."""
    for path in kg_root.glob("*.t*"):
        path.write_text(path.read_text().replace("e/1", f"e{ACTING}/1").replace("near", f"near{ACTING}"))
    return kg_root


def _inert(*texts: str) -> None:
    for text in texts:
        acting = {c for c in text if not c.isprintable() and c != "\n"}
        assert not acting, (acting, text)


def test_what_would_act_is_shown_with_escapes_and_all_else_as_it_is() -> None:
    assert printable("\x1b[31m\u202e\n\x07\x9b\ud800\u2028") == r"\x1b[31m\u202e\n\x07\x9b\ud800\u2028"
    assert printable("中文 Ünïcödé 🙂 e\u0301") == "中文 Ünïcödé 🙂 e\u0301"


@pytest.mark.slow
def test_no_command_lets_names_of_sentences_act_on_the_terminal(
    run: Callable[..., Any], acting_mre: Path, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    where = f'data.root="{acting_mre}"'
    small = (*TINY, "task.epochs=1", "hydra.run.dir=here")
    code, *said = run("check", "task=mre", where, *TINY, "output=checked")
    assert code == 1  # sentences of train are in test
    assert r"\x1b[31m" in said[0]
    _inert(*said, (tmp_path / "checked" / "report.html").read_text())
    code, *said = run("train", "task=mre", where, *small, f'+task.note="{ACTING}"')
    assert code == 2
    _inert(*said)
    code, *said = run("train", "task=mre", where, *small)
    assert code == 0, said
    _inert(*said)
    code, *said = run("evaluate", "checkpoint=here/best.ckpt")
    assert code == 0, said
    _inert(*said)
    record = {"tokens": ["Ada", ACTING], "head": [0, 1], "tail": [1, 2], "id": ACTING, "image": ACTING}
    (tmp_path / f"in{ACTING}").write_text(json.dumps(record) + "\n")
    given = ("predict", "checkpoint=here/best.ckpt", f'input="in{ACTING}"')
    for policy in ("bad_records=skip", "bad_records=fail"):
        code, *said = run(*given, f'output="out{ACTING}"', policy)
        _inert(*said)
    code, *said = run("report", f'runs="{tmp_path}"')
    assert code == 0, said
    _inert(*said)


@pytest.mark.slow
def test_no_command_lets_names_of_a_graph_act_on_the_terminal(
    run: Callable[..., Any], acting_kg: Path, tmp_path: Path
) -> None:
    where = ("task=link_prediction", f"data.root={acting_kg}")
    code, *said = run("check", *where, *TINY, "output=checked")
    assert code == 0, said
    _inert(*said, (tmp_path / "checked" / "report.html").read_text())
    small = (*TINY, "task.epochs=1", "hydra.run.dir=here", "backbone=kge/transe")
    code, *said = run("train", *where, *small)
    assert code == 0, said
    _inert(*said)
    (tmp_path / "in").write_text(json.dumps({"head": f"e{ACTING}/1", "relation": "none\x1b"}) + "\n")
    code, *said = run("predict", "checkpoint=here/best.ckpt", "input=in", "output=out")
    assert code == 2
    _inert(*said)


def test_answers_on_the_standard_output_hold_escapes_where_json_allows_both(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    from mkgc.app.files import json_text

    text = json_text({"label": f"中{ACTING}\x9b\U000e0001"}, ensure_ascii=False)
    _inert(text)
    assert "中" in text
    assert json.loads(text) == {"label": f"中{ACTING}\x9b\U000e0001"}
