"""`make demo`: the Atlas graph, all three tasks trained small, evaluated, and asked about a few examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from benchmarks.runs import composed, trained
from mkgc.app.command import quiet
from mkgc.data.formats import kg
from mkgc.predict import predict
from tasks.mner import twitter
from tasks.mre import mnre

RUNS = Path("runs/demo")
SHOWN = 4


def main() -> None:
    """Trains what is not yet trained, then predicts; every step can be repeated."""
    quiet()
    summary = []
    for task, metric in (("mre", "f1"), ("mner", "f1"), ("link_prediction", "mrr")):
        folder = RUNS / task
        figures = trained(folder, f"task={task}")
        summary.append((task, metric, figures))
        asked = write_examples(task, Path("data/atlas") / task, folder / "examples.jsonl")
        files = {"checkpoint": "best.ckpt", "input": "examples.jsonl", "output": "predictions.jsonl"}
        predict(composed(*(f"{key}={folder / name}" for key, name in files.items()), name="predict"))
        answers = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
        image(asked, answers, folder / "predictions.png")
    for task, metric, figures in summary:
        print(f"\n{task}: test {metric} {figures['test'][metric]:.3f} after {figures['seconds']:.0f} s")
        print(f"  checkpoint   {RUNS / task / 'best.ckpt'}")
        print(f"  metrics      {RUNS / task / 'metrics.json'}")
        print(f"  predictions  {RUNS / task / 'predictions.jsonl'}")
        print(f"  image        {RUNS / task / 'predictions.png'}")


def write_examples(task: str, root: Path, path: Path) -> list[dict[str, Any]]:
    """The first test examples as a user would write them, with their right answers kept aside."""
    records = {"mre": _relations, "mner": _sentences, "link_prediction": _links}[task](root)
    asked = [{k: v for k, v in record.items() if k not in ("gold", "shown")} for record in records]
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in asked))
    return records


def _relations(root: Path) -> list[dict[str, Any]]:
    return [
        {
            "tokens": list(e.tokens),
            "head": list(e.head),
            "tail": list(e.tail),
            "image": [str(p.resolve()) for p in e.images["image"]],
            "gold": e.relation,
        }
        for e in mnre.read(root, "test")[:SHOWN]
    ]


def _sentences(root: Path) -> list[dict[str, Any]]:
    return [
        {
            "tokens": list(e.tokens),
            "image": [str(p.resolve()) for p in e.images["image"]],
            "gold": " ".join(e.tags or ()),
        }
        for e in twitter.read(root, "test")[:SHOWN]
    ]


def _links(root: Path) -> list[dict[str, Any]]:
    graph = kg.read(root)
    rows = [row for row in graph.triples["test"].tolist() if graph.images[row[0]].get("image")]
    return [
        {
            "head": graph.entities[head],
            "relation": graph.relations[relation],
            "gold": graph.names[tail],
            "shown": [str(p.resolve()) for p in graph.images[head]["image"]],
        }
        for head, relation, tail in rows[:: max(1, len(rows) // SHOWN)][:SHOWN]
    ]


def image(asked: Sequence[dict[str, Any]], answers: Sequence[dict[str, Any]], path: Path) -> None:
    """One row an example: what was shown, what was asked, and what the model says."""
    side, width = 160, 1000
    sheet = Image.new("RGB", (width, len(asked) * (side + 16) + 16), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for i, (record, answer) in enumerate(zip(asked, answers, strict=True)):
        top = 16 + i * (side + 16)
        for file in (record.get("image") or record.get("shown") or [])[:1]:
            sheet.paste(Image.open(file).convert("RGB").resize((side, side)), (16, top))
        for line, (text, colour) in enumerate(_lines(record, answer)):
            draw.text((side + 40, top + 8 + 30 * line), text, fill=colour, font=font)
    sheet.save(path)


def _lines(record: dict[str, Any], answer: dict[str, Any]) -> list[tuple[str, str]]:
    question = " ".join(record["tokens"]) if "tokens" in record else f"{record['head']}  {record['relation']}  ?"
    if "relation" in answer:
        said = [f"{answer['relation']}  {answer['score']:.2f}"]
    elif "spans" in answer:
        said = [f"{span['text']}: {span['type']}  {span['score']:.2f}" for span in answer["spans"]]
    else:
        said = [", ".join(f"{e['name']} {e['score']:.2f}" for e in answer["entities"][:4])]
    told = [("model: " + "; ".join(said), "#0a58ca"), (f"right: {record['gold']}", "#555555")]
    return [(question[:90], "black"), *told]


if __name__ == "__main__":
    main()
