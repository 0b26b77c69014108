"""A graph of animals with Chinese names in one file of triples, with aliases and a few images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

ANIMALS = """
大熊猫,giant panda,猫熊|熊猫,哺乳纲,亚洲,竹子
小熊猫,red panda,火狐,哺乳纲,亚洲,竹子
老虎,tiger,大虫,哺乳纲,亚洲,野猪
狮子,lion,狮,哺乳纲,非洲,斑马
斑马,zebra,,哺乳纲,非洲,青草
长颈鹿,giraffe,,哺乳纲,非洲,树叶
大象,elephant,象,哺乳纲,非洲,青草
袋鼠,kangaroo,,哺乳纲,大洋洲,青草
考拉,koala,树袋熊,哺乳纲,大洋洲,树叶
野猪,wild boar,,哺乳纲,亚洲,树叶
鸵鸟,ostrich,,鸟纲,非洲,青草
鸸鹋,emu,,鸟纲,大洋洲,青草
企鹅,penguin,,鸟纲,南极洲,磷虾
猫头鹰,owl,鸮,鸟纲,亚洲,老鼠
老鹰,eagle,,鸟纲,亚洲,老鼠
扬子鳄,Chinese alligator,鼍,爬行纲,亚洲,鱼
尼罗鳄,Nile crocodile,,爬行纲,非洲,斑马
眼镜蛇,cobra,,爬行纲,亚洲,老鼠
老鼠,mouse,鼠|耗子,哺乳纲,亚洲,青草
鱼,fish,,鱼纲,亚洲,磷虾
鲨鱼,shark,,鱼纲,大洋洲,鱼
""".strip().splitlines()


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    folder = tmp_path / "zoo"
    (folder / "images").mkdir(parents=True)
    animals = [line.split(",") for line in ANIMALS]
    relations = {"属于": 3, "生活在": 4, "吃": 5}
    triples = [f"{row[0]},{relation},{row[column]}" for row in animals for relation, column in relations.items()]
    (folder / "triples.csv").write_text("\n".join(["头实体,关系,尾实体", *triples]), encoding="utf-8-sig")
    others = sorted({cell for row in animals for cell in row[3:]} - {row[0] for row in animals})
    table = [",".join((row[0], row[0], row[1], row[2], "")) for row in animals] + others
    (folder / "entities.csv").write_text(
        "\n".join(["id,name:zh,name:en,aliases,description", *table]), encoding="utf-8"
    )
    for i, name in enumerate(("大熊猫", "老虎", "猫头鹰 ", "熊猫", "恐龙")):
        Image.new("RGB", (40, 40), (40 * i, 90, 200)).save(folder / "images" / f"{name}.png")
    return folder


def test_from_files_to_predictions(zoo: Path, shell: Callable[..., str]) -> None:
    data = "task=link_prediction data=triples data.root=zoo 'data.images={image: 32}' data.language=zh"
    checked = shell(f"python -m mkgc.check {data}")
    assert "triples split with seed 0: train 51, dev 6, test 6" in checked
    assert "images that match no entity: 3" in checked
    assert "猫头鹰 .png for '猫头鹰'?" in checked
    assert "熊猫.png for '大熊猫'?" in checked
    shell(f"python -m mkgc.train {data} task.epochs=2 task.model.stage1.epochs=2 hydra.run.dir=runs/zoo")
    figures = shell("python -m mkgc.evaluate checkpoint=runs/zoo/best.ckpt type_constraints=seen")
    assert "test/mrr " in figures
    assert "test/typed/mrr " in figures
    asked = [
        {"head": "猫熊", "relation": "吃"},
        {"head": "giant panda", "relation": "吃"},
        {"head": "鼠", "tail": "亚洲"},
    ]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in asked)
    (zoo.parent / "ask.jsonl").write_text(lines, encoding="utf-8")
    files = "checkpoint=runs/zoo/best.ckpt input=ask.jsonl output=answers.jsonl"
    shell(f"python -m mkgc.predict {files} type_constraints=seen language=en")
    one, other, pair = map(json.loads, (zoo.parent / "answers.jsonl").read_text(encoding="utf-8").splitlines())
    assert [answer["id"] for answer in one["entities"]] == [answer["id"] for answer in other["entities"]]
    named = {answer["id"]: answer["name"] for answer in one["entities"]}
    assert named["竹子"] == "竹子"
    assert set(named) <= {line.split(",")[5] for line in ANIMALS}
    assert {answer["name"] for answer in pair["relations"]} == {"生活在"}
    shell(
        "python -m mkgc.predict checkpoint=runs/zoo/best.ckpt input=ask.jsonl output=answers.jsonl language=fr", code=2
    )
