"""Images of any mode become RGB of eight bits: their range is found, transparency becomes white.

Integers have the least of the usual widths that holds their largest value (a camera's 12 bits often lie in 16); a TIFF
of another width says so. Floating-point values reach from 0 to 1, 255, 65535 or what 10, 12 or 14 bits hold: the least
that holds them, where those of 1, 255 and 65535 may exceed it up to twice (resampling overshoots): what does is cut
off. Where values are negative, the range is as wide on either side of 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Integer, UInt8
from PIL import Image, ImageCms

WIDTHS = (8, 10, 12, 14, 16, 24, 32)
"""Bits of an integer that a file may mean, whatever it stores."""

LIMITS = {1.0: 2, 255.0: 2, 1023.0: 1, 4095.0: 1, 16383.0: 1, 65535.0: 2}
"""The largest values that floating-point images are made with, and how many times that resampling may bring them to."""

BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""Tags of TIFF 6.0, sections 3 and 19."""


def to_rgb(image: Image.Image, tags: dict[int, int] | None = None) -> Image.Image:
    """RGB, on white where the image is transparent; ``tags`` are those of a TIFF (:func:`read_tags`)."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = _grey(image, tags or {})
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def read_tags(file: Image.Image) -> dict[int, int]:
    """The samples' description in a TIFF; nothing for another format."""
    tags = getattr(file, "tag_v2", {})
    found = {tag: tags[tag] for tag in (BITS, PHOTOMETRIC, SAMPLE_FORMAT) if tag in tags}
    return {tag: value[0] if isinstance(value, tuple) else value for tag, value in found.items()}


def _grey(image: Image.Image, tags: dict[int, int]) -> Image.Image:
    """Eight bits of grey, with an opacity where one value means transparent."""
    values = np.asarray(image)
    if image.mode == "I" and tags.get(SAMPLE_FORMAT, 2) == 1:
        values = values.view(np.uint32)  # Pillow has no mode for it
    scaled = from_floats(values) if image.mode == "F" else from_integers(values, tags.get(BITS))
    grey = Image.fromarray(~scaled if tags.get(PHOTOMETRIC) == 0 else scaled)
    if isinstance(clear := image.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def from_integers(values: Integer[np.ndarray, "h w"], bits: int | None = None) -> UInt8[np.ndarray, "h w"]:
    """The eight highest bits; ``bits`` is the width that the file declares, if it is no common one."""
    wide = values.astype(np.int64)
    low, high = int(wide.min(initial=0)), int(wide.max(initial=0))
    signed = low < 0
    width = bits if bits and bits not in (8, 16, 32) else None
    width = width or next(width for width in WIDTHS if max(high, -low - 1) < 2 ** (width - signed))
    from_zero = wide + 2 ** (width - 1) if signed else wide
    return (from_zero << 8 >> width).clip(0, 255).astype(np.uint8)


def from_floats(values: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """The least usual range brought to 0..255; what is no number is 0."""
    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    low, high = finite.min(initial=0.0), finite.max(initial=0.0)
    limit = next((limit for limit, over in LIMITS.items() if max(high, -low) <= over * limit), max(high, -low))
    wide = np.nan_to_num(wide / limit, nan=0.0, posinf=1.0, neginf=-1.0)
    wide = (wide + 1) / 2 if low < -limit / 2 else wide
    return np.floor(wide * 255 + 0.5).clip(0, 255).astype(np.uint8)
