"""Cost of encoding an image in memory: this client's lossless WebP, Pillow's default lossless WebP, and PNG.

Prints the median CPU time over interleaved rounds and the size, for a 1024 x 1024 image of soft gradients and noise.
"""

from __future__ import annotations

import io
import random
import statistics
import time
from collections.abc import Callable

from PIL import Image, ImageFilter

ROUNDS = 5
SIDE = 1024


def picture() -> Image.Image:
    """An image that compresses about as well as a photograph; the same one each time."""
    rng = random.Random(0)  # noqa: S311 -- no secret
    coarse = Image.frombytes("RGB", (64, 64), rng.randbytes(64 * 64 * 3)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    noise = Image.frombytes("RGB", (SIDE, SIDE), rng.randbytes(SIDE * SIDE * 3)).filter(ImageFilter.GaussianBlur(2))
    return Image.blend(coarse, noise, 0.2)


def ours(image: Image.Image) -> bytes:
    from genai_grpc._coerce.media import image_to_blob  # `picture` also runs in environments without this package

    blob = image_to_blob(image)
    assert blob is not None  # noqa: S101 -- it is an image
    return blob.data


def encode(image: Image.Image, name: str, **options: object) -> bytes:
    """Encode the image with Pillow."""
    file = io.BytesIO()
    image.save(file, format=name, **options)
    return file.getvalue()


def main() -> None:
    image = picture()
    encoders: dict[str, Callable[[], bytes]] = {
        "ours": lambda: ours(image),
        "WebP, lossless=True": lambda: encode(image, "WEBP", lossless=True),
        "PNG": lambda: encode(image, "PNG"),
    }
    times: dict[str, list[float]] = {name: [] for name in encoders}
    sizes: dict[str, int] = {}
    for _ in range(ROUNDS):
        for name, encoder in encoders.items():
            started = time.process_time()
            sizes[name] = len(encoder())
            times[name].append(time.process_time() - started)
    for name, taken in times.items():
        print(f"{name:20} {statistics.median(taken) * 1e3:7.0f} ms {sizes[name] / 1e3:7.0f} kB")
