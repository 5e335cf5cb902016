"""What an image in memory costs to send: our lossless WebP against Pillow's default lossless WebP, and PNG.

Prints the median CPU time over interleaved rounds and the size, for a 1024 x 1024 image of soft gradients and noise.
"""

from __future__ import annotations

import io
import random
import statistics
import time
from typing import TYPE_CHECKING

from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
SIDE = 1024


def picture() -> Image.Image:
    """An image that compresses about as a photograph does; the same one each time."""
    draw = random.Random(0)  # noqa: S311 -- no secret
    coarse = Image.frombytes("RGB", (64, 64), draw.randbytes(64 * 64 * 3)).resize(
        (SIDE, SIDE), Image.Resampling.BICUBIC
    )
    noise = Image.frombytes("RGB", (SIDE, SIDE), draw.randbytes(SIDE * SIDE * 3)).filter(ImageFilter.GaussianBlur(2))
    return Image.blend(coarse, noise, 0.2)


def ours(image: Image.Image) -> bytes:
    from genai_grpc._coerce.media import image_to_blob  # the other peers' Pythons, which want the picture, have it not

    blob = image_to_blob(image)
    assert blob is not None  # noqa: S101 -- it is an image
    return blob.data


def encoded(image: Image.Image, name: str, **settings: object) -> bytes:
    """The image as Pillow writes it."""
    file = io.BytesIO()
    image.save(file, format=name, **settings)
    return file.getvalue()


def main() -> None:
    image = picture()
    ways: dict[str, Callable[[], bytes]] = {
        "ours": lambda: ours(image),
        "WebP, lossless=True": lambda: encoded(image, "WEBP", lossless=True),
        "PNG": lambda: encoded(image, "PNG"),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    sizes: dict[str, int] = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.process_time()
            sizes[name] = len(way())
            times[name].append(time.process_time() - began)
    for name, taken in times.items():
        print(f"{name:20} {statistics.median(taken) * 1e3:7.0f} ms {sizes[name] / 1e3:7.0f} kB")
