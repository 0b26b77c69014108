"""`python -m benchmarks.demo.one TASK`: one task of the demo trained, as far as it is not yet, asked, and drawn."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.demo import cards, picture, questions
from benchmarks.demo.tasks import EXPLANATIONS, TASKS, Shown
from benchmarks.runs import composed, trained
from mkgc.app.command import quiet
from mkgc.app.files import write_whole
from mkgc.app.lean import import_lean
from mkgc.app.signals import Ended, in_order
from mkgc.explain import explain
from mkgc.predict import predict
from mkgc.terminal import say

QUESTIONS: dict[str, Callable[[Path], Iterable[questions.Question]]] = {
    "mre": questions.relations,
    "mner": questions.mentions,
    "link_prediction": questions.links,
}


def show(task: Shown) -> None:
    """Trains what is not yet trained, and leaves examples, predictions, cards and their picture in the run's folder."""
    figures = trained(task.folder, *task.overrides)
    asked = questions.distinct(QUESTIONS[task.name](Path("data/atlas") / task.name))
    lines = (json.dumps(question.record, ensure_ascii=False) + "\n" for question in asked)
    write_whole(task.folder / "examples.jsonl", "".join(lines))
    files = {"checkpoint": "best.ckpt", "input": "examples.jsonl", "output": "answers.jsonl"}
    predict(composed(*(f"{key}={task.folder / name}" for key, name in files.items()), name="predict"))
    if task.explained:
        places = files | {"output": EXPLANATIONS}
        explain(composed(*(f"{key}={task.folder / name}" for key, name in places.items()), name="explain"))
    answers = map(json.loads, (task.folder / "answers.jsonl").read_text(encoding="utf-8").splitlines())
    drawn = [cards.Card(q.image, q.text, q.judge(answer)) for q, answer in zip(asked, answers, strict=True)]
    picture.draw([(task.title(figures), drawn)], task.picture)
    cards.save(drawn, task.cards)


def main() -> None:
    """The command; signals end it in order, with what was saved."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    quiet()
    import_lean()
    try:
        with in_order():
            show(next(task for task in TASKS if [task.name] == sys.argv[1:]))
    except Ended as end:
        say(f"mkgc: {end.line}", error=True)
        sys.exit(end.code)


if __name__ == "__main__":
    main()
