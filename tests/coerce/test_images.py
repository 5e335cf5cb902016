from __future__ import annotations

import copy
import io
import os
import pickle
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import PIL
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from genai_grpc._coerce.media import BlobData, image_to_blob

ORIENTATION = 0x0112
MODES = [
    *("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"),
    *("CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"),
]
# Modes, with the values of `info["transparency"]` that Pillow understands.
TRANSPARENCY: dict[str, st.SearchStrategy[Any]] = {
    "1": st.sampled_from([0, 255]),
    "L": st.integers(0, 255),
    "P": st.integers(0, 255) | st.binary(min_size=1, max_size=256),
    "I": st.integers(0, 255),
    "I;16": st.integers(0, 65535),
    "RGB": st.tuples(*[st.integers(0, 255)] * 3),
}
# File formats, with modes that they store.
FORMATS = [
    ("png", "1"),
    ("png", "P"),
    ("png", "LA"),
    ("png", "I;16"),
    ("png", "RGB"),
    ("jpg", "L"),
    ("jpg", "RGB"),
    ("jpg", "CMYK"),
    ("gif", "P"),
    ("bmp", "RGB"),
    ("webp", "RGB"),
    ("webp", "RGBA"),
    ("tif", "1"),
    ("tif", "I;16"),
    ("tif", "I;16B"),
    ("tif", "F"),
    ("tif", "LAB"),
    ("tif", "CMYK"),
    ("tif", "YCbCr"),
]


@st.composite
def images(draw: st.DrawFn) -> Image.Image:
    """Images in memory of every mode, of any size, orientation, palette and transparency."""
    mode = draw(st.sampled_from(MODES))
    image = Image.new(mode, draw(st.tuples(st.integers(1, 9), st.integers(1, 9))))
    size = len(image.tobytes())
    image.frombytes(draw(st.binary(min_size=size, max_size=size)))
    if mode in ("P", "PA"):
        channels = draw(st.sampled_from(["RGB", "RGBA"]))
        image.putpalette(draw(st.randoms(use_true_random=False)).randbytes(256 * len(channels)), channels)
    if mode in TRANSPARENCY and draw(st.booleans()):
        image.info["transparency"] = draw(TRANSPARENCY[mode])
    if (orientation := draw(st.integers(0, 9))) > 0:
        image.info["exif"] = exif(orientation)
    return image


def exif(orientation: int) -> bytes:
    """EXIF data with an orientation."""
    data = Image.Exif()
    data[ORIENTATION] = orientation
    return data.tobytes()


def noise(mode: str = "RGB", size: tuple[int, int] = (23, 17), seed: int = 1) -> Image.Image:
    """Build an image of random pixels, the same for each `seed`."""
    data = random.Random(seed).randbytes(3 * size[0] * size[1])  # noqa: S311 -- no secret
    return Image.frombytes("RGB", size, data).convert(mode)


def saved(path: Path, image: Image.Image, **settings: Any) -> Path:
    """Save an image, and return the path."""
    image.save(path, **settings)
    return path


def shown(image: Image.Image) -> tuple[tuple[int, int], bytes]:
    """The size and the pixels that Pillow shows."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "La":  # converts to LA only
        upright = upright.convert("LA")
    return upright.size, upright.convert("RGBA").tobytes()


def sent(image: Image.Image) -> tuple[tuple[int, int], bytes]:
    """The size and the pixels that the receiver of an image sees, with its MIME type checked."""
    blob = encoded(image)
    with Image.open(io.BytesIO(blob.data)) as received:
        assert received.format is not None
        assert Image.MIME[received.format] == blob.mime_type
        return shown(received)


def encoded(image: Image.Image) -> BlobData:
    blob = image_to_blob(image)
    assert blob is not None
    return blob


@given(images())
def test_pixels_of_every_mode(image: Image.Image) -> None:
    """An image in memory of any mode is sent as the pixels that Pillow shows, upright."""
    blob = encoded(image)
    with Image.open(io.BytesIO(blob.data)) as received:
        assert ORIENTATION not in received.getexif()
        assert shown(received) == shown(image)


@pytest.mark.parametrize("mode", ["LA", "La", "PA", "RGBA", "RGBa"])
def test_alpha_channel(mode: str) -> None:
    """An image with an alpha channel is sent with it."""
    if mode == "PA" and int(PIL.__version__.partition(".")[0]) < 12:
        pytest.skip("this Pillow converts PA without its alpha channel")
    image = Image.new("RGBA", (4, 4), (200, 100, 50, 128)).convert("LA" if mode == "La" else "RGBA").convert(mode)
    with Image.open(io.BytesIO(encoded(image).data)) as received:
        assert received.convert("RGBA").getchannel("A").getextrema() == (128, 128)


def test_image_stays_as_it_is() -> None:
    """Conversion and rotation do not change the image of the program."""
    image = noise("CMYK")
    image.info["exif"] = exif(6)
    before = image.mode, image.size, image.tobytes(), dict(image.info)
    encoded(image)
    assert (image.mode, image.size, image.tobytes(), dict(image.info)) == before


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L", "I;16N"])
def test_depth(mode: str) -> None:
    """An image of 16 bits a pixel, in any byte order, is sent with all of them."""
    image = Image.new(mode, (2, 1))
    image.putpixel((1, 0), 40001)
    blob = encoded(image)
    with Image.open(io.BytesIO(blob.data)) as received:
        assert blob.mime_type == "image/png"
        assert [received.getpixel((x, 0)) for x in range(2)] == [0, 40001]


@pytest.mark.parametrize("orientation", [None, 1, 6, 7])
@pytest.mark.parametrize("loaded", [False, True], ids=["not loaded", "loaded"])
@pytest.mark.parametrize(("suffix", "mode"), FORMATS)
def test_file(tmp_path: Path, suffix: str, mode: str, loaded: bool, orientation: int | None) -> None:
    """An image opened from a file and not changed is sent as that file, and it shows what Pillow shows."""
    image = noise() if mode in ("I;16", "I;16B") else noise().convert(mode)
    if mode in ("I;16", "I;16B"):
        image = Image.frombytes(mode, (8, 4), bytes(range(64)))
    settings: dict[str, Any] = {}
    if orientation is not None and suffix not in ("gif", "bmp"):
        settings["exif"] = exif(orientation)
    if suffix == "tif" and mode not in ("F", "LAB"):  # Pillow garbles some TIFFs that it maps into memory and turns
        settings["compression"] = "tiff_lzw"
    path = saved(tmp_path / f"a.{suffix}", image, **settings)
    with Image.open(path) as opened:
        if loaded:
            opened.load()
        assert encoded(opened).data == path.read_bytes()
        assert sent(opened) == shown(opened)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif"])
def test_file_is_not_decoded(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of a file whose pixels the program has not read is sent without decoding them."""
    with Image.open(saved(tmp_path / f"a.{suffix}", noise())) as image:
        monkeypatch.setattr(type(image), "load", lambda _: pytest.fail("decoded"))
        assert encoded(image).data == (tmp_path / f"a.{suffix}").read_bytes()


def test_threads(tmp_path: Path) -> None:
    """Threads can send one image of a file at once, before it is read."""
    path = saved(tmp_path / "a.jpg", noise(size=(64, 64)))
    for _ in range(20):
        with Image.open(path) as image, ThreadPoolExecutor(8) as executor:
            assert {blob.data for blob in executor.map(encoded, [image] * 32)} == {path.read_bytes()}
            assert image.load() is not None


@pytest.mark.parametrize("loaded", [False, True], ids=["not loaded", "loaded"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_changed_orientation(tmp_path: Path, suffix: str, loaded: bool) -> None:
    """An image whose EXIF orientation was changed after it was opened is sent upright by the new one."""
    with Image.open(saved(tmp_path / f"a.{suffix}", noise())) as image:
        if loaded:
            image.load()
        image.getexif()[ORIENTATION] = 6
        if suffix != "tif" or loaded:  # a TIFF is turned when it is read
            assert shown(image)[0] == (17, 23)
        assert sent(image) == shown(image)


def test_transposed_in_place(tmp_path: Path) -> None:
    """An image of a file that was turned upright in place is sent turned, and not turned again."""
    with Image.open(saved(tmp_path / "a.jpg", noise(), exif=exif(6))) as image:
        ImageOps.exif_transpose(image, in_place=True)
        assert image.size == (17, 23)
        assert sent(image) == shown(image)


@pytest.mark.parametrize("source", ["memory", "file"])
def test_damaged_exif(tmp_path: Path, source: str) -> None:
    """An image with EXIF data that cannot be read is sent as it is stored."""
    image = noise()
    image.info["exif"] = b"Exif\0\0damaged"
    if source == "file":
        image = Image.open(saved(tmp_path / "a.jpg", noise(), exif=b"Exif\0\0damaged"))
    with image, Image.open(io.BytesIO(encoded(image).data)) as received:
        assert received.convert("RGB").tobytes() == image.convert("RGB").tobytes()


def test_draft(tmp_path: Path) -> None:
    """A JPEG opened at a lower resolution is sent at that resolution."""
    with Image.open(saved(tmp_path / "a.jpg", noise(size=(64, 64)))) as image:
        image.draft("L", (16, 16))
        assert image.size < (64, 64)
        assert sent(image) == shown(image)


def test_changed_transparency(tmp_path: Path) -> None:
    """An image whose transparent colour was set after it was opened is sent with it."""
    with Image.open(saved(tmp_path / "a.png", Image.new("RGB", (4, 4), (1, 2, 3)))) as image:
        image.info["transparency"] = (1, 2, 3)
        assert sent(image)[1] == b"\1\2\3\0" * 16


@pytest.mark.parametrize("suffix", ["gif", "tif", "webp", "png"])
def test_later_frame(tmp_path: Path, suffix: str) -> None:
    """The current frame of a file of several frames is sent."""
    frames = [noise(seed=seed).quantize() if suffix == "gif" else noise(seed=seed) for seed in (1, 2, 3)]
    settings = {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:], **settings)
    with Image.open(path) as image:
        assert encoded(image).data == path.read_bytes()
        seen = set()
        for frame in (1, 2, 1):
            image.seek(frame)
            assert sent(image) == shown(image)
            seen.add(sent(image))
        assert len(seen) == 2
        image.seek(0)
        assert sent(image) == shown(image)
        assert sent(image) not in seen


def overwrite(path: Path, image: Image.Image) -> None:
    """Write another image into the file."""
    data = io.BytesIO()
    image.save(data, format=Image.registered_extensions()[path.suffix])
    path.write_bytes(data.getvalue())


def replace(path: Path, image: Image.Image) -> None:
    """Put another file at the path."""
    overwrite(path.with_name(f"new{path.suffix}"), image)
    os.replace(path.with_name(f"new{path.suffix}"), path)


@pytest.mark.parametrize("size", [(23, 17), (40, 30)], ids=["same size", "other size"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif", "webp"])
@pytest.mark.parametrize("change", [overwrite, replace])
def test_file_replaced_before_reading(
    tmp_path: Path, change: Callable[[Path, Image.Image], None], suffix: str, size: tuple[int, int]
) -> None:
    """If a file was replaced after an image of it was opened, and before it was read, the opened image is sent."""
    path = saved(tmp_path / f"a.{suffix}", noise(seed=1))
    with Image.open(path) as image, Image.open(path) as same:
        change(path, noise(size=size, seed=2))
        assert sent(image) == shown(same)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif"])
def test_large_file_overwritten_before_reading(tmp_path: Path, suffix: str) -> None:
    """If a file was overwritten when Pillow had read its beginning, an error is raised or what Pillow shows is sent."""
    path = saved(tmp_path / f"a.{suffix}", noise(size=(300, 300), seed=1))
    with Image.open(path) as image, Image.open(path) as same:
        overwrite(path, noise(size=(300, 300), seed=2))
        try:
            expected = shown(same)
        except (OSError, SyntaxError):
            with pytest.raises(ValueError, match=r"cannot read or encode the image .*; pass an image that is open"):
                image_to_blob(image)
        else:
            assert sent(image) == expected


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif"])
def test_image_closed_before_reading(tmp_path: Path, suffix: str) -> None:
    """An image that was closed before its pixels were read is sent as its file, or an error says that it is closed."""
    path = saved(tmp_path / f"a.{suffix}", noise())
    with Image.open(path) as image:
        pass
    assert encoded(image).data == path.read_bytes()
    overwrite(path, noise(size=(40, 30)))
    with pytest.raises(ValueError, match=r"the image .*/a\..* was closed before it was read; open it again, or pass"):
        image_to_blob(image)
    path.unlink()
    with pytest.raises(ValueError, match="was closed before it was read"):
        image_to_blob(image)


@pytest.mark.parametrize("source", ["memory", "file", "bytes"])
def test_closed_image(tmp_path: Path, source: str) -> None:
    """An image closed after its pixels were read, which are lost, raises an error that says so."""
    path = saved(tmp_path / "a.png", noise())
    image = noise() if source == "memory" else Image.open(path if source == "file" else io.BytesIO(path.read_bytes()))
    image.load()
    image.close()
    name = "a.png" if source == "file" else "in memory"
    with pytest.raises(
        ValueError, match=f"cannot read or encode the image .*{name}: .*closed.*; pass an image that is open"
    ):
        image_to_blob(image)


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "F", "P"])
def test_image_without_pixels(mode: str, size: tuple[int, int]) -> None:
    """An image without pixels raises an error with its size."""
    with pytest.raises(ValueError, match=rf"^the image in memory has no pixels \({size[0]} x {size[1]}\); pass one"):
        image_to_blob(Image.new(mode, size))


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda image: pickle.loads(pickle.dumps(image))])
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "webp"])
def test_copies(tmp_path: Path, suffix: str, clone: Callable[[Image.Image], Image.Image]) -> None:
    """A copy of an image of a file, by copy or pickle, is sent as an image in memory."""
    with Image.open(saved(tmp_path / f"a.{suffix}", noise())) as image:
        copied = clone(image)
        assert encoded(copied).mime_type == "image/webp"
        assert sent(copied) == shown(image)


def test_multi_picture_object(tmp_path: Path) -> None:
    """A JPEG of several pictures, as phones write, is sent as a JPEG, which it is."""
    path = tmp_path / "a.jpg"
    noise().save(path, format="MPO", save_all=True, append_images=[noise(seed=2)])
    with Image.open(path) as image:
        assert image.format == "MPO"
        assert image_to_blob(image) == BlobData("image/jpeg", path.read_bytes())


def test_name_of_another_format(tmp_path: Path) -> None:
    """An image of a file with the name of another format is sent with the MIME type of its bytes."""
    path = tmp_path / "a.jpg"
    noise().save(path, format="PNG")
    with Image.open(path) as image:
        assert image_to_blob(image) == BlobData("image/png", path.read_bytes())


def test_file_truncated_after_reading(tmp_path: Path) -> None:
    """If the file of an image was truncated after its pixels were read, they are sent."""
    path = saved(tmp_path / "a.png", noise())
    with Image.open(path) as image:
        image.load()
        path.write_bytes(path.read_bytes()[:-100])
        assert sent(image) == shown(image)
