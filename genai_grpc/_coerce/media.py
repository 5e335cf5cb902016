"""Bytes and MIME types of images and files. PIL and IPython are used only if the program has imported them.

A program that has imported PIL and no more gets PIL.Image with this module, as it did with google.generativeai.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import PIL.Image

__all__ = ["BlobData", "image_to_blob", "path_to_blob"]

if "PIL" in sys.modules:
    with suppress(ImportError):  # a package of that name that is not Pillow
        import_module("PIL.Image")

# Modes and size, in pixels a side, that lossless WebP can store
# (https://developers.google.com/speed/webp/docs/riff_container).
WEBP_MODES: Final = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa"})
MAX_WEBP_SIDE: Final = 16383

# Signatures of image formats: the offset in the file, and the bytes.
SIGNATURES: Final[dict[str, tuple[int, bytes]]] = {
    "image/gif": (0, b"GIF8"),
    "image/heic": (4, b"ftyp"),
    "image/heif": (4, b"ftyp"),
    "image/jpeg": (0, b"\xff\xd8\xff"),
    "image/png": (0, b"\x89PNG\r\n\x1a\n"),
    "image/webp": (8, b"WEBP"),
}


class BlobData(NamedTuple):
    """The fields of a Blob, before the data is copied into a message."""

    mime_type: str
    data: bytes


def path_to_blob(path: os.PathLike[str]) -> BlobData:
    """Read a file; its name determines the MIME type.

    Raises:
        ValueError: The file cannot be read, the MIME type of its name is unknown, or an image file has another format.
    """
    import mimetypes  # 8 ms, and text prompts do without

    # Not strict: WebP is not registered before Python 3.13. An encoding is a compression around the MIME type.
    mime_type, encoding = mimetypes.guess_type(os.path.basename(path), strict=False)
    if mime_type is None or encoding is not None:
        raise ValueError(f"cannot tell the MIME type of {path}; pass {{'mime_type': ..., 'data': ...}} instead")
    data = _read(path)
    offset, signature = SIGNATURES.get(mime_type, (0, b""))
    if data[offset : offset + len(signature)] != signature:
        raise ValueError(f"cannot read {path} as {mime_type}: its {len(data)} bytes lack the signature of that format")
    return BlobData(mime_type, data)


def image_to_blob(value: Any) -> BlobData | None:
    """Encode a PIL or IPython image; None for other values.

    A PIL image that was opened from a local file and not changed since is sent as the bytes of that file. Other PIL
    images are encoded without loss, as WebP if it supports their mode and size, else as PNG.

    Raises:
        TypeError: The data of an IPython image is not bytes.
        ValueError: The image cannot be read or encoded.
    """
    if (pil := sys.modules.get("PIL.Image")) is not None and isinstance(value, pil.Image):
        return _read_original(value) or _encode(value)
    if (display := sys.modules.get("IPython.display")) is not None and isinstance(value, display.Image):
        return _ipython_to_blob(value)
    return None


def _read_original(image: PIL.Image.Image) -> BlobData | None:
    """Read the file that `image` was opened from; None if there is none, or if it no longer holds the same image."""
    # The program has imported PIL.Image, and PIL.ImageFile with it if it opened a file.
    import PIL.Image
    import PIL.ImageFile

    if not isinstance(image, PIL.ImageFile.ImageFile) or not isinstance(image.filename, (str, os.PathLike)):
        return None
    path = os.fsdecode(image.filename)
    mime_type = image.get_format_mimetype()
    if not image.filename or mime_type is None or not os.path.isfile(path):
        return None
    data = _read(path)
    # `tile` is emptied when the pixels are loaded; before that, only the palette can have been changed.
    if not image.tile or image.palette is not None:
        try:
            with PIL.Image.open(io.BytesIO(data)) as original:
                if _pixels(original) != _pixels(image):
                    return None
        except OSError:
            return None
    return BlobData(mime_type, data)


def _pixels(image: PIL.Image.Image) -> tuple[object, ...]:
    return image.mode, image.size, image.tobytes(), image.getpalette()


def _encode(image: PIL.Image.Image) -> BlobData:
    """Encode the pixels without loss: as WebP, or as PNG if WebP does not support the mode or the size."""
    webp = image.mode in WEBP_MODES and max(image.size) <= MAX_WEBP_SIDE
    # The fastest lossless settings of WebP: a seventeenth of the CPU of the default ones, for up to twice the bytes
    # (benchmarks/micro/images.py). `exact` keeps the colours of fully transparent pixels.
    settings: dict[str, Any] = {"lossless": True, "exact": True, "quality": 0, "method": 0} if webp else {}
    encoded = io.BytesIO()
    try:
        image.save(encoded, format="WEBP" if webp else "PNG", **settings)
    except (OSError, ValueError, SyntaxError) as error:
        source = getattr(image, "filename", "") or "in memory"
        raise ValueError(f"cannot read or encode the image {source}: {error}") from error
    return BlobData("image/webp" if webp else "image/png", encoded.getvalue())


def _ipython_to_blob(image: Any) -> BlobData:
    if image.data is None:
        raise ValueError("the IPython image has no data; create it with Image(filename=...) or Image(data=...)")
    if not isinstance(image.data, bytes):
        raise TypeError(f"the data of an IPython image must be bytes; got {type(image.data).__name__}")
    import mimetypes  # as above

    mime_type, _ = mimetypes.guess_type(image.filename or f"image.{image.format}")
    return BlobData(mime_type or "image/unknown", image.data)


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
