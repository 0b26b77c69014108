from pathlib import Path
from typing import Any

from mkgc.data.examples import Span
from mkgc.data.settings import DataSettings
from mkgc.images.coverage import Coverage, Row
from mkgc.images.decode import ImageError
from mkgc.inspect.image_checks import inspect_images, judge_skipping
from mkgc.inspect.report import Section
from mkgc.relations.example import RelationExample

ROOT = Path("data")
HALF = Coverage((Row("train", "image", 4, 2, 4, 2, {"missing": 2}),))


def settings(**asked: Any) -> DataSettings:
    return DataSettings(str(ROOT), images={"image": 8}, max_images=2, **asked)


def broken(*names: str, kind: str = "missing", detail: str = "") -> dict[Path, ImageError]:
    return {ROOT / name: ImageError(ROOT / name, kind, detail) for name in names}


def said(section: Section) -> list[tuple[str, str]]:
    return [(finding.severity, finding.text) for finding in section.findings]


def test_missing_images_are_a_warning_unless_the_user_asked_for_more() -> None:
    counted = "2 of 4 examples of train (50.0%) have a usable image in 'image'"
    assert said(inspect_images(HALF, {}, settings())) == [("warning", f"{counted}; the others go without")]
    assert said(inspect_images(HALF, {}, settings(min_image_coverage=0.5)))[0][0] == "warning"
    assert said(inspect_images(HALF, {}, settings(min_image_coverage=0.6))) == [
        ("fatal", f"{counted}, data.min_image_coverage=0.6 asks for more")
    ]


def test_a_broken_image_is_fatal_where_the_user_said_so() -> None:
    full = Coverage((Row("train", "image", 4, 4, 5, 4),))
    assert said(inspect_images(full, broken("a.jpg"), settings(bad_images="fail"))) == [
        ("fatal", "1 image cannot be used, and data.bad_images=fail")
    ]
    assert said(inspect_images(full, broken("a.jpg"), settings())) == []


def test_broken_images_are_named_by_kind_five_of_each() -> None:
    problems = broken(*(f"{i}.jpg" for i in range(7))) | broken("t.png", kind="tiny", detail="1 x 1 pixels")
    rows = inspect_images(HALF, problems, settings()).tables[1].rows
    assert rows == (
        ("missing", 7, "0.jpg\n1.jpg\n2.jpg\n3.jpg\n4.jpg\n… 2 more"),
        ("tiny", 1, "t.png (1 x 1 pixels)"),
    )


def test_skipping_says_how_many_are_left_out_and_stops_where_none_is_left() -> None:
    def example(*names: str) -> RelationExample:
        paths = tuple(ROOT / name for name in names)
        return RelationExample("0", ("a", "b"), Span(0, 1), Span(1, 2), "r", {"image": paths})

    parts = {
        "train": [example("good"), example("bad")],
        "dev": [example("bad")],
        "test": [example("good", "good", "bad")],
    }
    assert said(judge_skipping(parts, broken("bad"), settings(bad_images="skip"))) == [
        ("warning", "1 of 2 examples of train is left out: data.bad_images=skip"),
        ("fatal", "1 of 1 examples of dev is left out: data.bad_images=skip"),
    ]  # the third image of test is beyond data.max_images
    assert judge_skipping(parts, broken("bad"), settings()) == Section()
