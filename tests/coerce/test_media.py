from __future__ import annotations

import builtins
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image, ImageDraw

from genai_grpc import protos
from genai_grpc._coerce.content import to_contents, to_part
from genai_grpc._coerce.media import image_to_blob, path_to_blob


def picture(mode: str = "RGB") -> Image.Image:
    """An image of many colours."""
    image = Image.new("RGB", (16, 12))
    image.putdata([(x * 15, y * 20, (x * y) % 256) for y in range(12) for x in range(16)])
    return image if mode == "RGB" else image.convert(mode)


def pixels(blob: protos.Blob | None, mode: str) -> bytes:
    """What a Blob of an image shows."""
    assert blob is not None
    with Image.open(io.BytesIO(blob.data)) as image:
        return image.convert(mode).tobytes()


def saved(path: Path, image: Image.Image) -> Path:
    """`path`, with an image written to it."""
    image.save(path)
    return path


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("a.png", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.gif", "image/gif"),
        ("a.webp", "image/webp"),
        ("a.bmp", "image/bmp"),
    ],
)
@pytest.mark.parametrize("loaded", [False, True], ids=["not read", "read"])
def test_image_of_a_file(tmp_path: Path, name: str, mime_type: str, loaded: bool) -> None:
    """An image opened from a file and not changed is sent as the file's own bytes."""
    path = saved(tmp_path / name, picture())
    with Image.open(path) as image:
        if loaded:
            image.load()
        expected = protos.Blob(mime_type=mime_type, data=path.read_bytes())
        assert image_to_blob(image) == expected
        assert to_contents(["What is this?", image])[0].parts[1].inline_data == expected
        assert to_part({"inline_data": image}).inline_data == expected


def _draw(image: Image.Image) -> None:
    ImageDraw.Draw(image).line((0, 0, 9, 9), fill=1)


def _palette(image: Image.Image) -> None:
    image.putpalette([7, 8, 9] * 256)


def _alpha(image: Image.Image) -> None:
    image.putalpha(100)


@pytest.mark.parametrize(
    ("mode", "change"),
    [
        pytest.param("RGB", lambda image: image.putpixel((3, 3), (1, 2, 3)), id="a pixel"),
        pytest.param("RGB", _draw, id="a line"),
        pytest.param("RGB", lambda image: image.paste((9, 9, 9), (0, 0, 4, 4)), id="pasted"),
        pytest.param("RGB", lambda image: image.thumbnail((4, 4)), id="smaller"),
        pytest.param("RGB", _alpha, id="made transparent"),
        pytest.param("P", _palette, id="another palette"),
    ],
)
def test_image_changed_in_place(tmp_path: Path, mode: str, change: Callable[[Image.Image], object]) -> None:
    """An image changed since it was opened is sent as it is now, in lossless WebP."""
    with Image.open(saved(tmp_path / "a.png", picture(mode))) as image:
        change(image)
        blob = image_to_blob(image)
        assert blob is not None
        assert blob.mime_type == "image/webp"
        shown = "RGBA" if image.mode == "RGBA" else "RGB"
        assert pixels(blob, shown) == image.convert(shown).tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_image_made_in_memory(mode: str) -> None:
    """An image made in memory is sent in lossless WebP."""
    image = picture(mode)
    blob = image_to_blob(image)
    assert blob is not None
    assert (blob.mime_type, blob.data[:4], blob.data[8:12]) == ("image/webp", b"RIFF", b"WEBP")
    assert pixels(blob, "RGBA") == image.convert("RGBA").tobytes()


def test_colours_under_transparency() -> None:
    """Lossless means that the colours of transparent pixels are kept too."""
    image = Image.new("RGBA", (4, 4), (9, 8, 7, 0))
    assert pixels(image_to_blob(image), "RGBA") == image.tobytes()


def test_copy_of_an_image_of_a_file(tmp_path: Path) -> None:
    """A copy is an image of its own, not of the file."""
    with Image.open(saved(tmp_path / "a.png", picture())) as image:
        blob = image_to_blob(image.copy())
    assert blob is not None
    assert blob.mime_type == "image/webp"


def test_image_of_bytes() -> None:
    """An image opened from bytes has no file to be sent as."""
    encoded = io.BytesIO()
    picture().save(encoded, format="PNG")
    with Image.open(encoded) as image:
        blob = image_to_blob(image)
    assert blob is not None
    assert blob.mime_type == "image/webp"
    assert pixels(blob, "RGB") == picture().tobytes()


def test_image_whose_file_is_gone(tmp_path: Path) -> None:
    """An image that was read before its file went is sent all the same."""
    path = saved(tmp_path / "a.png", picture())
    with Image.open(path) as image:
        image.load()
        path.unlink()
        assert pixels(image_to_blob(image), "RGB") == picture().tobytes()


def test_image_whose_file_became_another(tmp_path: Path) -> None:
    """An image that was read is sent as it was, though its file was overwritten by what is no image."""
    path = saved(tmp_path / "a.png", picture())
    with Image.open(path) as image:
        image.load()
        path.write_bytes(b"no image any more")
        assert pixels(image_to_blob(image), "RGB") == picture().tobytes()


def test_image_is_not_changed() -> None:
    """The caller's image keeps its mode and pixels."""
    image = picture("RGBA")
    before = image.mode, image.tobytes(), dict(image.info)
    image_to_blob(image)
    assert (image.mode, image.tobytes(), dict(image.info)) == before


def test_image_that_cannot_be_read(tmp_path: Path) -> None:
    """An image whose file was cut short, and is gone, cannot be sent; the error names it."""
    whole = saved(tmp_path / "whole.bmp", picture())
    path = tmp_path / "short.bmp"
    path.write_bytes(whole.read_bytes()[:-50])
    with Image.open(path) as image:
        path.unlink()
        with pytest.raises(ValueError, match=r"cannot read the image .*short\.bmp"):
            image_to_blob(image)


@pytest.mark.parametrize("image", [Image.new("1", (16384, 1)), Image.new("I;16", (4, 4), 40000)], ids=["wide", "deep"])
def test_image_that_webp_cannot_hold(image: Image.Image) -> None:
    """An image with more pixels a side or bits a pixel than WebP holds is sent as PNG, without loss."""
    blob = image_to_blob(image)
    assert blob is not None
    assert blob.mime_type == "image/png"
    with Image.open(io.BytesIO(blob.data)) as sent:
        assert sent.tobytes() == image.tobytes()


def test_largest_image_of_webp() -> None:
    """An image with as many pixels a side as WebP holds is sent as WebP."""
    blob = image_to_blob(Image.new("1", (16383, 1)))
    assert blob is not None
    assert blob.mime_type == "image/webp"


def test_image_that_cannot_be_encoded() -> None:
    """An image of a kind that no format holds is refused, and the error says why."""
    with pytest.raises(ValueError, match=r"image in memory, or not encode it: .*F"):
        image_to_blob(Image.new("F", (4, 4)))


@pytest.mark.parametrize("value", ["a str", 3, b"bytes", None], ids=repr)
def test_what_is_no_image(value: Any) -> None:
    """What is no image makes no Blob."""
    assert image_to_blob(value) is None


@pytest.mark.parametrize("module", ["PIL.Image", "IPython.display"])
def test_images_of_packages_not_imported(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """A program that has not imported an image package has none of its images, and it is not imported for it."""
    monkeypatch.delitem(sys.modules, module, raising=False)
    asked: list[str] = []
    real = builtins.__import__

    def spy(name: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", spy)
    assert image_to_blob(object()) is None
    assert not [name for name in asked if name.startswith(("PIL", "IPython"))]


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> type[Any]:
    """The Image class of a stand-in for IPython.display."""

    class Display:
        def __init__(self, data: bytes | None, format: str = "png", filename: str | None = None) -> None:  # noqa: A002 -- IPython's word
            self.data, self.format, self.filename = data, format, filename

    module = ModuleType("IPython.display")
    module.__dict__["Image"] = Display
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return Display


@pytest.mark.parametrize(
    ("arguments", "mime_type"),
    [
        pytest.param({"data": b"x"}, "image/png", id="by its format"),
        pytest.param({"data": b"x", "format": "jpeg"}, "image/jpeg", id="jpeg"),
        pytest.param({"data": b"x", "filename": "a.gif"}, "image/gif", id="by its file name"),
        pytest.param({"data": b"x", "format": "strange"}, "image/unknown", id="unknown"),
    ],
)
def test_ipython_image(display: type[Any], arguments: dict[str, Any], mime_type: str) -> None:
    """An IPython image is its data, with the MIME type that its format says."""
    assert image_to_blob(display(**arguments)) == protos.Blob(mime_type=mime_type, data=b"x")


def test_ipython_image_without_data(display: type[Any]) -> None:
    """An IPython image that only holds a link is refused, with what to do."""
    with pytest.raises(ValueError, match=r"^the IPython image holds no data; make it with Image\(filename="):
        image_to_blob(display(None))


@pytest.mark.parametrize(
    ("name", "data", "mime_type"),
    [
        ("a.txt", b"Hi", "text/plain"),
        ("a.csv", b"a,b", "text/csv"),
        ("a.pdf", b"%PDF", "application/pdf"),
        ("A.JPG", b"\xff\xd8\xff rest", "image/jpeg"),
        ("a.webp", b"RIFF????WEBP rest", "image/webp"),
        ("empty.txt", b"", "text/plain"),
    ],
)
def test_path(tmp_path: Path, name: str, data: bytes, mime_type: str) -> None:
    """A file is its bytes, with the MIME type of its name."""
    (tmp_path / name).write_bytes(data)
    assert path_to_blob(tmp_path / name) == protos.Blob(mime_type=mime_type, data=data)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp"])
@pytest.mark.parametrize("data", [b"", b"not an image at all"], ids=["empty", "text"])
def test_path_of_an_image_that_is_none(tmp_path: Path, name: str, data: bytes) -> None:
    """A file named as an image that does not begin as one is refused with its path."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match="do not begin as such a file's do") as caught:
        to_contents(["What is this?", tmp_path / name])
    assert str(tmp_path / name) in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is refused with its path."""
    with pytest.raises(ValueError, match="No such file") as caught:
        to_part(tmp_path / "missing.png")
    assert str(tmp_path / "missing.png") in str(caught.value)


def test_folder(tmp_path: Path) -> None:
    """A folder is refused with its path."""
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match=r"folder\.png"):
        to_part(tmp_path / "folder.png")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_file_without_permission(tmp_path: Path) -> None:
    """A file that may not be read is refused with its path."""
    path = saved(tmp_path / "a.png", picture())
    path.chmod(0)
    with pytest.raises(ValueError, match=r"a\.png: Permission denied"):
        to_part(path)


@pytest.mark.parametrize("name", ["strange.xyzzy", "none", "data.csv.gz"])
def test_path_of_no_known_type(tmp_path: Path, name: str) -> None:
    """A file whose name tells no MIME type, or hides it under a compression, is refused with what to pass instead."""
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=r"cannot tell the MIME type of .*mime_type"):
        to_part(tmp_path / name)
