from __future__ import annotations

import builtins
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image, ImageDraw

from genai_grpc import protos
from genai_grpc._coerce.content import to_contents, to_part
from genai_grpc._coerce.media import BlobData, image_to_blob, path_to_blob


def picture(mode: str = "RGB") -> Image.Image:
    """Build an image of many colours."""
    image = Image.new("RGB", (16, 12))
    image.putdata([(x * 15, y * 20, (x * y) % 256) for y in range(12) for x in range(16)])
    return image if mode == "RGB" else image.convert(mode)


def pixels(blob: BlobData | None, mode: str) -> bytes:
    """Decode the pixels of an encoded image."""
    assert blob is not None
    with Image.open(io.BytesIO(blob.data)) as image:
        return image.convert(mode).tobytes()


def saved(path: Path, image: Image.Image) -> Path:
    """Save an image, and return the path."""
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
@pytest.mark.parametrize("loaded", [False, True], ids=["not loaded", "loaded"])
def test_image_from_file(tmp_path: Path, name: str, mime_type: str, loaded: bool) -> None:
    """An image opened from a file and not changed is sent as the bytes of the file."""
    path = saved(tmp_path / name, picture())
    with Image.open(path) as image:
        if loaded:
            image.load()
        data = path.read_bytes()
        expected = protos.Blob(mime_type=mime_type, data=data)
        assert image_to_blob(image) == BlobData(mime_type, data)
        assert to_contents(["What is this?", image])[0].parts[1].inline_data == expected
        assert to_part({"inline_data": image}).inline_data == expected


def draw_line(image: Image.Image) -> None:
    ImageDraw.Draw(image).line((0, 0, 9, 9), fill=1)


def change_palette(image: Image.Image) -> None:
    image.putpalette([7, 8, 9] * 256)


def add_alpha(image: Image.Image) -> None:
    image.putalpha(100)


@pytest.mark.parametrize(
    ("mode", "change"),
    [
        pytest.param("RGB", lambda image: image.putpixel((3, 3), (1, 2, 3)), id="pixel"),
        pytest.param("RGB", draw_line, id="line"),
        pytest.param("RGB", lambda image: image.paste((9, 9, 9), (0, 0, 4, 4)), id="paste"),
        pytest.param("RGB", lambda image: image.thumbnail((4, 4)), id="thumbnail"),
        pytest.param("RGB", add_alpha, id="alpha channel"),
        pytest.param("P", change_palette, id="palette"),
    ],
)
def test_image_changed_in_place(tmp_path: Path, mode: str, change: Callable[[Image.Image], object]) -> None:
    """An image changed since it was opened is sent in its current state, as lossless WebP."""
    with Image.open(saved(tmp_path / "a.png", picture(mode))) as image:
        change(image)
        blob = image_to_blob(image)
        assert blob is not None
        assert blob.mime_type == "image/webp"
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        assert pixels(blob, mode) == image.convert(mode).tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_image_in_memory(mode: str) -> None:
    """An image created in memory is sent as lossless WebP."""
    image = picture(mode)
    blob = image_to_blob(image)
    assert blob is not None
    assert (blob.mime_type, blob.data[:4], blob.data[8:12]) == ("image/webp", b"RIFF", b"WEBP")
    assert pixels(blob, "RGBA") == image.convert("RGBA").tobytes()


def test_colours_of_transparent_pixels() -> None:
    """Lossless encoding includes the colours of transparent pixels."""
    image = Image.new("RGBA", (4, 4), (9, 8, 7, 0))
    assert pixels(image_to_blob(image), "RGBA") == image.tobytes()


def test_copy_of_image_from_file(tmp_path: Path) -> None:
    """A copy of an image from a file is sent as an image in memory."""
    with Image.open(saved(tmp_path / "a.png", picture())) as image:
        blob = image_to_blob(image.copy())
    assert blob is not None
    assert blob.mime_type == "image/webp"


def test_image_from_bytes() -> None:
    """An image opened from bytes is sent as an image in memory."""
    encoded = io.BytesIO()
    picture().save(encoded, format="PNG")
    with Image.open(encoded) as image:
        blob = image_to_blob(image)
    assert blob is not None
    assert blob.mime_type == "image/webp"
    assert pixels(blob, "RGB") == picture().tobytes()


def test_image_of_deleted_file(tmp_path: Path) -> None:
    """An image loaded before its file was deleted is sent as an image in memory."""
    path = saved(tmp_path / "a.png", picture())
    with Image.open(path) as image:
        image.load()
        path.unlink()
        assert pixels(image_to_blob(image), "RGB") == picture().tobytes()


def test_image_of_overwritten_file(tmp_path: Path) -> None:
    """An image loaded before its file was overwritten is sent as it was loaded."""
    path = saved(tmp_path / "a.png", picture())
    with Image.open(path) as image:
        image.load()
        path.write_bytes(b"not an image")
        assert pixels(image_to_blob(image), "RGB") == picture().tobytes()


def test_image_is_not_modified() -> None:
    """The caller's image keeps its mode, pixels and info."""
    image = picture("RGBA")
    before = image.mode, image.tobytes(), dict(image.info)
    image_to_blob(image)
    assert (image.mode, image.tobytes(), dict(image.info)) == before


def test_truncated_image(tmp_path: Path) -> None:
    """An image that cannot be loaded from a truncated file raises an error with its path."""
    whole = saved(tmp_path / "whole.bmp", picture())
    path = tmp_path / "short.bmp"
    path.write_bytes(whole.read_bytes()[:-50])
    with Image.open(path) as image:
        path.unlink()
        with pytest.raises(ValueError, match=r"cannot read or encode the image .*short\.bmp"):
            image_to_blob(image)


@pytest.mark.parametrize("image", [Image.new("1", (16384, 1)), Image.new("I;16", (4, 4), 40000)], ids=["wide", "deep"])
def test_image_that_webp_does_not_support(image: Image.Image) -> None:
    """An image with more pixels a side or bits a pixel than WebP supports is sent as PNG, without loss."""
    blob = image_to_blob(image)
    assert blob is not None
    assert blob.mime_type == "image/png"
    with Image.open(io.BytesIO(blob.data)) as sent:
        assert sent.tobytes() == image.tobytes()


def test_maximum_size_of_webp() -> None:
    """An image with the maximum side of WebP is sent as WebP."""
    blob = image_to_blob(Image.new("1", (16383, 1)))
    assert blob is not None
    assert blob.mime_type == "image/webp"


def test_unsupported_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that Pillow cannot convert raises an error with the reason, and says what to pass."""

    def convert(*_: object) -> Image.Image:
        raise ValueError("conversion not supported")

    monkeypatch.setattr(Image.Image, "convert", convert)
    reason = r"cannot read or encode the image in memory: conversion not supported; pass an image .* converts to RGB"
    with pytest.raises(ValueError, match=reason):
        image_to_blob(Image.new("F", (4, 4)))


@pytest.mark.parametrize("value", ["a str", 3, b"bytes", None], ids=repr)
def test_other_values(value: Any) -> None:
    """Values other than images return None."""
    assert image_to_blob(value) is None


@pytest.mark.parametrize("module", ["PIL.Image", "IPython.display"])
def test_image_packages_are_not_imported(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """A package that the program has not imported is not imported to check for its images."""
    monkeypatch.delitem(sys.modules, module, raising=False)
    imported: list[str] = []
    original = builtins.__import__

    def spy(name: str, *args: Any, **kwargs: Any) -> Any:
        imported.append(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", spy)
    assert image_to_blob(object()) is None
    assert not [name for name in imported if name.startswith(("PIL", "IPython"))]


@pytest.mark.parametrize(
    ("program", "loaded"),
    [
        ("import PIL, genai_grpc; genai_grpc.GenerativeModel; PIL.Image.new('L', (1, 1))", True),
        ("import genai_grpc, PIL; genai_grpc.GenerativeModel; PIL.Image.new('L', (1, 1))", True),
        ("import genai_grpc; genai_grpc.GenerativeModel", False),
    ],
    ids=["before", "after", "without"],
)
def test_bare_import_of_pil(program: str, loaded: bool) -> None:
    """PIL.Image is imported with the models if the program has imported PIL and no more; without PIL it is not."""
    path = os.pathsep.join(filter(None, sys.path))
    check = f"{program}; import sys; print('PIL.Image' in sys.modules)"
    completed = subprocess.run(
        [sys.executable, "-c", check],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert completed.stdout.strip() == str(loaded)


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> type[Any]:
    """The Image class of a fake IPython.display."""

    class Display:
        def __init__(self, data: bytes | str | None, format: str = "png", filename: str | None = None) -> None:  # noqa: A002 -- as in IPython
            self.data, self.format, self.filename = data, format, filename

    module = ModuleType("IPython.display")
    module.__dict__["Image"] = Display
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return Display


@pytest.mark.parametrize(
    ("arguments", "mime_type"),
    [
        pytest.param({"data": b"x"}, "image/png", id="default format"),
        pytest.param({"data": b"x", "format": "jpeg"}, "image/jpeg", id="jpeg"),
        pytest.param({"data": b"x", "filename": "a.gif"}, "image/gif", id="file name"),
        pytest.param({"data": b"x", "format": "strange"}, "image/unknown", id="unknown format"),
    ],
)
def test_ipython_image(display: type[Any], arguments: dict[str, Any], mime_type: str) -> None:
    """An IPython image is sent as its data, with the MIME type of its file name or format."""
    assert image_to_blob(display(**arguments)) == BlobData(mime_type, b"x")


def test_ipython_image_without_data(display: type[Any]) -> None:
    """An IPython image with only a URL raises an error that says how to create one with data."""
    with pytest.raises(ValueError, match=r"^the IPython image has no data; create it with Image\(filename="):
        image_to_blob(display(None))


def test_ipython_image_with_str(display: type[Any]) -> None:
    """An IPython image whose data is not bytes raises a TypeError."""
    with pytest.raises(TypeError, match="^the data of an IPython image must be bytes; got str$"):
        image_to_blob(display("<svg/>"))


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
    """A file is sent as its bytes, with the MIME type of its name."""
    (tmp_path / name).write_bytes(data)
    assert path_to_blob(tmp_path / name) == BlobData(mime_type, data)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.heic", "a.bmp", "a.tif"])
@pytest.mark.parametrize("data", [b"", b"not an image at all"], ids=["empty", "text"])
def test_file_with_wrong_signature(tmp_path: Path, name: str, data: bytes) -> None:
    """A file with an image's suffix but not its signature raises an error with its path."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match="lack the signature of that format; rename the file, or pass") as caught:
        to_contents(["What is this?", tmp_path / name])
    assert str(tmp_path / name) in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    """A missing file raises an error with its path."""
    with pytest.raises(ValueError, match="No such file") as caught:
        to_part(tmp_path / "missing.png")
    assert str(tmp_path / "missing.png") in str(caught.value)


def test_directory(tmp_path: Path) -> None:
    """A directory raises an error with its path."""
    (tmp_path / "directory.png").mkdir()
    with pytest.raises(ValueError, match=r"directory\.png"):
        to_part(tmp_path / "directory.png")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root can read any file")
def test_file_without_permission(tmp_path: Path) -> None:
    """A file without read permission raises an error with its path."""
    path = saved(tmp_path / "a.png", picture())
    path.chmod(0)
    with pytest.raises(ValueError, match=r"a\.png: Permission denied"):
        to_part(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bin", "a.txt", "a", "a.xyzzy"])
@pytest.mark.parametrize(
    ("start", "mime_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8L", "image/webp"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\0\0\0\x18ftypmif1", "image/heif"),
        (b"\0\0\0\x18ftypavif", "image/avif"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "image/bmp"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
    ],
)
def test_signature_of_image(tmp_path: Path, display: type[Any], name: str, start: bytes, mime_type: str) -> None:
    """The bytes of an image decide its MIME type, whatever its name is."""
    expected = BlobData(mime_type, start + b" rest")
    (tmp_path / name).write_bytes(expected.data)
    assert path_to_blob(tmp_path / name) == expected
    assert image_to_blob(display(expected.data, filename=name)) == expected


@pytest.mark.parametrize(
    "data", [b"RIFF\x10\0\0\0WAVEfmt ", b"This is WEBP", b"BMW is a company of Munich", b"\0\0\0\x18ftypmp42"], ids=repr
)
def test_no_signature_of_image(tmp_path: Path, data: bytes) -> None:
    """Bytes like those of an image have the MIME type of their name."""
    (tmp_path / "a.txt").write_bytes(data)
    assert path_to_blob(tmp_path / "a.txt") == BlobData("text/plain", data)


@pytest.mark.parametrize("name", ["strange.xyzzy", "none", "data.csv.gz"])
def test_unknown_mime_type(tmp_path: Path, name: str) -> None:
    """A file name with an unknown MIME type, or a compressed one, raises an error that says what to pass instead."""
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=r"cannot tell the MIME type of .*mime_type"):
        to_part(tmp_path / name)
