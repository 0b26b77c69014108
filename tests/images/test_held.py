"""Images that a program holds are seen as the files that hold the same."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mkgc.errors import DataError
from mkgc.images.held import take_images
from mkgc.inference import Predictor

GRADIENT = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)


@pytest.fixture
def relations(made: Callable[..., Any], mre_root: Path) -> Predictor:
    model, _, config = made("mre", mre_root)
    return Predictor(model, config)


def asked(image: Any) -> list[dict[str, Any]]:
    return [{"text": "Ada and Bob", "head": "Ada", "tail": "Bob", "image": image}]


def encoded(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    image.save(file := BytesIO(), kind, **settings)
    return file.getvalue()


def test_an_image_an_array_bytes_and_a_path_of_the_same_have_the_same_answer(
    relations: Predictor, tmp_path: Path
) -> None:
    image = Image.fromarray(GRADIENT)
    (tmp_path / "a.png").write_bytes(encoded(image))
    (file,) = relations.predict(asked("a.png"), tmp_path)
    (without,) = relations.predict(asked(None))
    assert file["scores"] != without["scores"]
    for given in (image, GRADIENT, encoded(image), bytearray(encoded(image)), tmp_path / "a.png", [tmp_path / "a.png"]):
        (answer,) = relations.predict(asked(given))
        assert answer["scores"] == file["scores"], type(given)
        assert "bad_images" not in answer
    assert relations.predict(asked([image, "a.png"]), tmp_path)[0]["query"]["image"] == [
        "<image 1 of record 1>",
        "a.png",
    ]


def test_each_record_has_its_own_images(relations: Predictor) -> None:
    black, white = Image.new("RGB", (9, 9)), Image.new("RGB", (9, 9), "white")
    alone = [relations.predict(asked(image))[0]["scores"] for image in (black, white)]
    together = relations.predict(asked(black) + asked(white))
    assert [answer["scores"] for answer in together] == [pytest.approx(scores, abs=1e-6) for scores in alone]
    assert alone[0] != alone[1]


@pytest.mark.parametrize(
    ("image", "line"),
    [
        (b"no image", "<image 1 of record 1>: not an image"),
        (b"", "<image 1 of record 1>: empty"),
        (encoded(Image.fromarray(GRADIENT))[:200], "<image 1 of record 1>: truncated"),
        (Image.new("L", (1, 9)), "<image 1 of record 1>: tiny (1 x 9 pixels)"),
        (np.zeros((7000, 6000), np.uint8), "<image 1 of record 1>: huge"),
    ],
)
def test_what_cannot_be_used_is_named_as_a_file_is(relations: Predictor, image: Any, line: str) -> None:
    (answer,) = relations.predict(asked(image))
    (bad,) = answer["bad_images"]
    assert bad.startswith(line)
    with pytest.raises(DataError, match="and bad_images=fail"):
        relations.predict(asked(image), bad_images="fail")


@pytest.mark.parametrize(
    "array", [np.zeros((3, 40, 40)), np.zeros(9), np.zeros((2, 2), complex), np.zeros((0, 9, 3)), np.array(["a"])]
)
def test_an_array_that_is_no_image_is_a_record_that_cannot_be_used(relations: Predictor, array: Any) -> None:
    with pytest.raises(DataError, match="^record 1: an array that is an image has numbers of height × width"):
        relations.predict(asked(array))
    bad, good = relations.predict(asked(array) + asked(GRADIENT), bad_records="skip")
    assert ("error" in bad, "error" in good) == (True, False)


def test_numbers_of_any_range_are_the_same_picture() -> None:
    arrays = [GRADIENT, GRADIENT / 255.0, (GRADIENT / 255).astype(np.float32), GRADIENT.astype(np.int64)]
    (image, *others) = (held for array in arrays for held in take_images(asked(array), ["it"], Path())[1].values())
    assert [np.array_equal(np.asarray(image), np.asarray(other)) for other in others] == [True] * 3
    (grey,) = take_images(asked(np.eye(3, dtype=bool)[..., None]), ["it"], Path())[1].values()
    assert np.asarray(grey).tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_an_image_is_taken_as_it_is_and_turned_upright() -> None:
    lying = Image.fromarray(GRADIENT)
    exif = Image.Exif()
    exif[0x0112] = 6
    opened = Image.open(BytesIO(encoded(lying, exif=exif)))
    _, held = take_images(asked(opened), ["it"], Path())
    from mkgc.images.decode import decode_all

    (pixels,) = decode_all([*held], 30, held=held)
    (file,) = decode_all([*held], 30, held={path: encoded(lying, exif=exif) for path in held})
    assert isinstance(pixels, np.ndarray)
    assert np.array_equal(pixels, file)
    opened.putpixel((0, 0), (1, 2, 3))  # the program's image is still open, and its own


def test_a_described_entity_may_have_images_in_memory(made: Callable[..., Any], kg_root: Path) -> None:
    model, _, config = made("link_prediction", kg_root)
    flag = {"name": "new", "description": "thing", "images": [Image.new("RGB", (9, 9), "red")]}
    shown, blind = Predictor(model, config).predict(
        [{"head": flag, "relation": "likes"}, {"head": {**flag, "images": []}, "relation": "likes"}]
    )
    assert shown["entities"] != blind["entities"]
    assert shown["query"]["head"]["images"] == ["<image 1 of record 1>"]
    assert "bad_images" not in shown
