import pickle
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from mkgc.images import decode as images
from mkgc.images.decode import ImageError, read_image
from mkgc.images.loaded import LoadedImages

RED, WHITE, BLUE = [255, 0, 0], [255, 255, 255], [0, 0, 255]


def noise(width: int = 60, height: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def colours(path: Path) -> list[list[int]]:
    """The colours of the four corners, row by row."""
    corners = read_image(path, 8)[:, ::7, ::7].reshape(3, 4).T
    return corners.astype(int).tolist()


def refused(path: Path, **limits: int) -> tuple[str, str]:
    with pytest.raises(ImageError) as error:
        read_image(path, 8, **limits)
    assert error.value.path == path
    return error.value.kind, str(error.value).removeprefix(f"{path}: ")


def header_only(width: int, height: int) -> bytes:
    """A PNG that says it is so large and holds next to nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def test_a_image_is_rgb_bytes_of_the_size_asked_for(tmp_path: Path) -> None:
    image = noise()
    image.save(tmp_path / "a.png")
    expected = np.asarray(image.resize((24, 24), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 24), expected)


MODES = {
    "png": ("L", "1", "P", "RGB", "RGBA", "LA", "I;16"),
    "jpg": ("L", "RGB", "CMYK"),
    "tif": ("L", "1", "P", "RGB", "CMYK", "YCbCr", "RGBA", "LA", "I;16", "I;16B", "I"),
    "gif": ("P",),
    "webp": ("RGB",),
}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix, modes in MODES.items() for mode in modes])
def test_every_mode_of_a_format_becomes_the_same_rgb(tmp_path: Path, suffix: str, mode: str) -> None:
    if (suffix, mode) == ("tif", "YCbCr") and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow 12 cannot read back what it writes")
    black_on_white = Image.new("L", (16, 16), 255)
    black_on_white.paste(0, (0, 0, 16, 8))
    if mode.startswith("I"):
        kind = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]
        image = Image.fromarray((np.asarray(black_on_white).astype(np.int32) * 257).astype(kind))
    else:
        image = black_on_white.convert("RGB").convert(mode)
    path = tmp_path / f"a.{suffix}"
    image.save(path)
    with Image.open(path) as stored:
        assert stored.mode == mode
    np.testing.assert_allclose(colours(path), [[0] * 3, [0] * 3, [255] * 3, [255] * 3], atol=3)


def test_sixteen_bits_lose_their_low_byte(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 0x8042, dtype=np.uint16)).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png", 4) == 0x80).all()


GREYS = {
    "8 bits in 16": (np.uint16, [0, 1, 128, 255], [0, 1, 128, 255]),
    "10 bits in 16": (np.uint16, [0, 256, 512, 1023], [0, 64, 128, 255]),
    "12 bits in 16": (np.uint16, [0, 256, 2048, 4095], [0, 16, 128, 255]),
    "14 bits in 16": (np.uint16, [0, 4096, 8192, 16383], [0, 64, 128, 255]),
    "16 bits": (np.uint16, [0, 4096, 32768, 65535], [0, 16, 128, 255]),
    "8 bits in 32": (np.int32, [0, 16, 128, 255], [0, 16, 128, 255]),
    "16 bits in 32": (np.int32, [0, 4096, 32768, 65535], [0, 16, 128, 255]),
    "31 bits": (np.int32, [0, 2**28, 2**30, 2**31 - 1], [0, 16, 64, 127]),
    "signed": (np.int32, [-32768, 0, 16384, 32767], [0, 128, 192, 255]),
    "black": (np.uint16, [0, 0, 0, 0], [0, 0, 0, 0]),
    "shares of one": (np.float32, [0.0, 0.25, 0.5, 1.0], [0, 64, 128, 255]),
    "bytes as floats": (np.float32, [0.0, 16.0, 128.0, 255.0], [0, 16, 128, 255]),
    "12 bits as floats": (np.float32, [0.0, 256.0, 2048.0, 4095.0], [0, 16, 128, 255]),
    "16 bits as floats, dark": (np.float32, [0.0, 4112.0, 8224.0, 20000.0], [0, 16, 32, 78]),
    "16 bits as floats": (np.float32, [0.0, 4112.0, 32896.0, 65535.0], [0, 16, 128, 255]),
    "overshooting": (np.float32, [-0.1, 0.0, 0.5, 1.2], [0, 0, 128, 255]),
    "around zero": (np.float32, [-1.0, 0.0, 0.5, 1.0], [0, 128, 191, 255]),
    "not finite": (np.float32, [np.nan, -np.inf, 1.0, np.inf], [0, 0, 255, 255]),
    "beyond all limits": (np.float32, [0.0, 1e6, 2e6, 4e6], [0, 64, 128, 255]),
}


def greys(path: Path) -> list[int]:
    """The four pixels of an image of 2 × 2, which must be grey."""
    pixels = read_image(path, 2)
    assert (pixels == pixels[:1]).all()
    return pixels[0].ravel().tolist()


@pytest.mark.parametrize("kind", GREYS)
def test_greys_of_more_than_eight_bits_are_brought_to_the_range_that_they_mean(tmp_path: Path, kind: str) -> None:
    dtype, values, expected = GREYS[kind]
    Image.fromarray(np.array(values, dtype).reshape(2, 2)).save(tmp_path / "a.tif")
    assert greys(tmp_path / "a.tif") == expected


def tiff(bits: int, sample_format: int, photometric: int, rows: bytes) -> bytes:
    """A little-endian TIFF of 2 × 2 grey samples, uncompressed."""
    tags = [(256, 2), (257, 2), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, 2)]
    tags += [(279, len(rows)), (339, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    offset = 8 + len(rows)
    return b"II*\0" + struct.pack("<I", offset) + rows + struct.pack("<H", len(tags)) + entries + b"\0" * 4


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (tiff(12, 1, 1, bytes([0x00, 0x01, 0x00, 0x80, 0x0F, 0xFF])), [0, 16, 128, 255]),
        (tiff(12, 1, 1, bytes([0x00, 0x00, 0x10, 0x02, 0x00, 0x40])), [0, 1, 2, 4]),  # dark: it says it has 12 bits
        (tiff(32, 1, 1, struct.pack("<4I", 0, 2**28, 2**31, 2**32 - 1)), [0, 16, 128, 255]),
        (tiff(16, 1, 0, struct.pack("<4H", 0, 4096, 32768, 65535)), [255, 239, 127, 0]),  # white is zero
    ],
    ids=["12 bits", "12 dark bits", "32 unsigned bits", "white is zero"],
)
def test_a_tiff_says_what_its_samples_mean(tmp_path: Path, content: bytes, expected: list[int]) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    assert greys(tmp_path / "a.tif") == expected


def test_a_value_of_sixteen_bits_may_mean_transparent(tmp_path: Path) -> None:
    values = np.array([[7, 0x1000], [0x8000, 0xFFFF]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png", transparency=7)
    assert greys(tmp_path / "a.png") == [255, 16, 128, 255]


def test_lab_is_converted_and_not_refused(tmp_path: Path) -> None:
    Image.new("LAB", (4, 4), (255, 128, 128)).save(tmp_path / "a.tif")
    np.testing.assert_allclose(colours(tmp_path / "a.tif"), [WHITE] * 4, atol=2)


@pytest.mark.parametrize("name", ["a.JPG", "a", "a.txt", "a b.jfif", "a.webp", "e\u0301.jpg"])
@pytest.mark.parametrize("kind", ["AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP"])
def test_the_content_tells_the_format_whatever_the_file_is_called(tmp_path: Path, kind: str, name: str) -> None:
    Image.new("RGB", (8, 8), "white").save(tmp_path / name, format=kind)
    assert colours(tmp_path / name) == [WHITE] * 4


def test_a_name_that_no_file_can_have_is_a_missing_image(tmp_path: Path) -> None:
    assert refused(tmp_path / ("a" * 300)) == ("missing", "missing (File name too long)")
    assert refused(tmp_path / "a\0b")[0] == "missing"
    assert refused(tmp_path / "\ud800.jpg")[0] == "missing"


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([*BLUE, *RED])
    image.save(tmp_path / "a.png")
    assert colours(tmp_path / "a.png") == [RED] * 4


@pytest.mark.parametrize("kind", ["alpha", "transparent index"])
def test_what_is_transparent_is_white(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    if kind == "alpha":
        image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
        image.paste((255, 0, 0, 255), (0, 4, 8, 8))
        image.save(path)
    else:
        image = Image.new("P", (8, 8), 0)
        image.putpalette([*BLUE, *RED])
        image.paste(1, (0, 4, 8, 8))
        image.save(path, transparency=0)
    assert colours(path) == [WHITE, WHITE, RED, RED]


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path, suffix: str) -> None:
    first, second = (Image.new("RGB", (8, 8), tuple(colour)) for colour in (RED, BLUE))
    lossless = {"lossless": True} if suffix == "webp" else {}
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second], **lossless)
    assert colours(tmp_path / f"a.{suffix}") == [RED] * 4


def test_the_cameras_rotation_is_undone(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 16), "white")
    image.paste("red", (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is at the right of the stored image's left edge, turned by 90°
    image.save(tmp_path / "a.png", exif=exif)
    assert colours(tmp_path / "a.png") == [WHITE, RED, WHITE, RED]


def test_damaged_metadata_do_not_spoil_the_pixels(tmp_path: Path) -> None:
    noise().save(tmp_path / "plain.jpg")
    noise().save(tmp_path / "a.jpg", exif=b"Exif\0\0not a directory of tags")
    expected = read_image(tmp_path / "plain.jpg", 16)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg", 16), expected)


def test_a_missing_image(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.jpg") == ("missing", "missing")
    assert refused(tmp_path) == ("missing", "missing")


def test_an_empty_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert refused(tmp_path / "a.jpg") == ("empty", "empty")


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_image(tmp_path: Path, suffix: str, share: float) -> None:
    noise().save(tmp_path / f"whole.{suffix}")
    whole = (tmp_path / f"whole.{suffix}").read_bytes()
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    kind, message = refused(path)
    assert kind == "truncated"
    assert message.startswith("truncated (")
    assert "truncated" in message.removeprefix("truncated (")


def test_a_truncated_jpeg_says_how_much_was_left_over(tmp_path: Path) -> None:
    noise(600, 400).save(tmp_path / "a.jpg")
    path = tmp_path / "a.jpg"
    path.write_bytes(path.read_bytes()[:20_000])
    kind, message = refused(path)
    assert (kind, message[:36]) == ("truncated", "truncated (image file is truncated (")


@pytest.mark.parametrize(
    ("side", "detail"),
    [
        (6_325, "6325 x 6325 pixels, the limit is 40000000"),
        (9_500, "9500 x 9500 pixels, the limit is 40000000"),  # Pillow warns of a bomb
        (50_000, "the limit is 40000000 pixels"),  # Pillow refuses
    ],
)
def test_a_huge_image_is_never_unpacked(tmp_path: Path, side: int, detail: str) -> None:
    (tmp_path / "a.png").write_bytes(header_only(side, side))
    assert refused(tmp_path / "a.png") == ("huge", f"huge ({detail})")


def test_the_limit_of_pixels_can_be_moved(tmp_path: Path) -> None:
    noise(60, 40).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", 8, max_pixels=2_400).shape == (3, 8, 8)
    message = "huge (60 x 40 pixels, the limit is 2399)"
    assert refused(tmp_path / "a.png", max_pixels=2_399) == ("huge", message)


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1)])
def test_a_tiny_image(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size).save(tmp_path / "a.png")
    assert refused(tmp_path / "a.png") == ("tiny", f"tiny ({size[0]} x {size[1]} pixels)")


def test_two_pixels_a_side_are_enough(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), tuple(RED)).save(tmp_path / "a.png")
    assert colours(tmp_path / "a.png") == [RED] * 4


@pytest.mark.parametrize(
    "content",
    [b"<html>Too many requests</html>", b"\0" * 500, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"],
    ids=["text", "zeros", "a program in PostScript"],
)
def test_what_is_no_image_whatever_it_is_called(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    formats = "AVIF, BMP, GIF, JPEG, JPEG2000, PNG, PPM, TIFF, WEBP"
    assert refused(tmp_path / "a.jpg") == ("not an image", f"not an image (none of {formats})")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tif", "webp", "bmp"])
def test_no_damage_is_anything_but_a_image_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    noise(20, 20).save(path)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in random.integers(0, min(len(whole), 120), 4):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        with suppress(ImageError):
            read_image(path, 8)


def store_of(folder: Path, sizes: dict[str, int]) -> tuple[LoadedImages, Path, Path, Path]:
    red, blue, bad = (folder / name for name in ("red.png", "blue.png", "bad.png"))
    Image.new("RGB", (8, 8), tuple(RED)).save(red)
    Image.new("RGB", (8, 8), tuple(BLUE)).save(blue)
    bad.touch()
    wanted = {"image": [bad, red, folder / "none.png", blue, red], "crops": [blue, bad]}
    return LoadedImages(wanted, sizes), red, blue, bad


def test_a_store_keeps_the_usable_images_of_each_size_in_order(tmp_path: Path) -> None:
    store, red, blue, bad = store_of(tmp_path, {"image": 16, "crops": 4})
    assert (store.count(16), store.count(4)) == (2, 1)
    assert store.take([0, 1], 16).shape == (2, 3, 16, 16)
    assert store.take([0, 1], 16)[:, :, 0, 0].tolist() == [RED, BLUE]
    assert store.take([0], 4)[:, :, 0, 0].tolist() == [BLUE]
    rows = [[store.index(path, size) for path in (red, blue, bad)] for size in (16, 4)]
    assert rows == [[0, 1, None], [None, 0, None]]
    assert {path.name: error.kind for path, error in store.problems.items()} == {
        "bad.png": "empty",
        "none.png": "missing",
    }


def test_each_image_is_decoded_once_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, lock = [], threading.Lock()
    decoded = images._decoded

    def counted(path: Path, size: int, **options: str) -> np.ndarray:
        with lock:
            read.append((path.name, size))
        return decoded(path, size, **options)

    monkeypatch.setattr(images, "_decoded", counted)
    store_of(tmp_path, {"image": 16, "crops": 16})
    assert sorted(read) == [(name, 16) for name in ("bad.png", "blue.png", "none.png", "red.png")]


def test_a_group_without_images_has_none_of_its_size(tmp_path: Path) -> None:
    assert LoadedImages({}, {"image": 16}).take([], 16).shape == (0, 3, 16, 16)


def test_a_store_travels_to_worker_processes_with_its_problems(tmp_path: Path) -> None:
    store, _, blue, bad = store_of(tmp_path, {"image": 16, "crops": 4})
    copy = pickle.loads(pickle.dumps(store))
    assert torch.equal(copy.take([0, 1], 16), store.take([0, 1], 16))
    assert copy.index(blue, 16) == store.index(blue, 16)
    assert (copy.problems[bad].kind, str(copy.problems[bad])) == ("empty", f"{bad}: empty")


def test_pillows_warnings_stay_inside_and_the_users_filters_as_they_were(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(40)]
    for path in paths:
        path.write_bytes(header_only(9_500, 9_500))
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        store = LoadedImages({"image": paths}, {"image": 8})
    assert caught == []
    assert {error.kind for error in store.problems.values()} == {"huge"}
    assert warnings.filters == before


@pytest.mark.parametrize(("name", "count"), [("flags", 250), ("wn18_emoji", 445), ("tuxpaint", 108)])
def test_real_images_of_all_modes_are_read(real: Callable[[str], Path], name: str, count: int) -> None:
    files = sorted(path for path in (real("images") / name).rglob("*") if path.suffix in {".png", ".jpg"})
    store = LoadedImages({"image": files}, {"image": 32})
    assert (store.count(32), store.problems) == (count, {})


SIDES = [(640, 427), (300, 1000), (57, 300), (1200, 100), (2, 900), (3, 2), (2, 3), (65, 64), (224, 224), (7, 5)]
"""Wide, tall and tiny images, and such whose margins are odd."""


def smooth(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (max(2, height // 8), max(2, width // 8), 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [224, 128, 64])
@pytest.mark.parametrize("sides", SIDES)
def test_a_cropped_image_is_that_of_clips_own_preprocessing(sides: tuple[int, int], size: int, tmp_path: Path) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    smooth(*sides).save(tmp_path / "a.png")
    crop = {"height": size, "width": size}
    clip = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size=crop, do_normalize=False, do_rescale=False)
    theirs = np.asarray(clip(smooth(*sides), return_tensors="np")["pixel_values"][0])
    ours = read_image(tmp_path / "a.png", size, fit="crop").astype(np.int64)
    assert np.abs(ours - theirs).max() <= 1


def test_a_stretched_image_shows_its_margins_and_a_cropped_one_its_centre(tmp_path: Path) -> None:
    image = Image.new("RGB", (90, 30), "red")
    image.paste("blue", (30, 0, 60, 30))
    image.save(tmp_path / "a.png")
    stretched, cropped = (read_image(tmp_path / "a.png", 30, fit=fit) for fit in ("stretch", "crop"))
    assert (stretched[0, 0, 0], stretched[2, 0, 15]) == (255, 255)
    assert cropped[0].max() < 30
    assert cropped[2, :, 1:-1].min() == 255


def test_a_hair_of_an_image_is_cropped_without_filling_the_memory(tmp_path: Path) -> None:
    Image.new("RGB", (2, 1_000_000), "red").save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", 224, fit="crop")[0].min() == 255
