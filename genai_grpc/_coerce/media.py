"""Images and files to Blobs. PIL and IPython are looked at only if the program has imported them."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos

if TYPE_CHECKING:
    import PIL.Image

__all__ = ["image_to_blob", "path_to_blob"]

# What WebP holds without loss (https://developers.google.com/speed/webp/docs/riff_container).
WEBP_MODES: Final = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa"})
WEBP_PIXELS: Final = 16383

# How files of these types begin (for the container formats: from which byte on).
MAGIC: Final[dict[str, tuple[int, bytes]]] = {
    "image/gif": (0, b"GIF8"),
    "image/heic": (4, b"ftyp"),
    "image/heif": (4, b"ftyp"),
    "image/jpeg": (0, b"\xff\xd8\xff"),
    "image/png": (0, b"\x89PNG\r\n\x1a\n"),
    "image/webp": (8, b"WEBP"),
}


def path_to_blob(path: os.PathLike[str]) -> protos.Blob:
    """The file's bytes, with the MIME type that its name says.

    Raises:
        ValueError: The file cannot be read, its name tells no MIME type, or an image's bytes are of no such image.
    """
    import mimetypes

    # Not strict: WebP is no registered type before Python 3.13. An encoding is a compression that the type hides.
    mime_type, encoding = mimetypes.guess_type(os.path.basename(path), strict=False)
    if mime_type is None or encoding is not None:
        raise ValueError(f"cannot tell the MIME type of {path}; pass {{'mime_type': ..., 'data': ...}} instead")
    data = _read(path)
    start, magic = MAGIC.get(mime_type, (0, b""))
    if data[start : start + len(magic)] != magic:
        raise ValueError(f"cannot read {path} as {mime_type}: its {len(data)} bytes do not begin as such a file's do")
    return protos.Blob(mime_type=mime_type, data=data)


def image_to_blob(value: Any) -> protos.Blob | None:
    """The Blob of a PIL or IPython image; None if `value` is neither.

    A PIL image opened from a local file and not changed since is sent as that file's bytes; any other without loss, as
    WebP where it can be.

    Raises:
        ValueError: The image cannot be read or encoded.
    """
    if (pil := sys.modules.get("PIL.Image")) is not None and isinstance(value, pil.Image):
        return _original(value) or _encoded(value)
    if (display := sys.modules.get("IPython.display")) is not None and isinstance(value, display.Image):
        return _ipython_to_blob(value)
    return None


def _original(image: PIL.Image.Image) -> protos.Blob | None:
    """The bytes of the file that `image` was opened from, if it still shows what the file holds."""
    import PIL.Image
    import PIL.ImageFile

    if not isinstance(image, PIL.ImageFile.ImageFile) or not isinstance(image.filename, (str, os.PathLike)):
        return None
    path = os.fsdecode(image.filename)
    mime_type = image.get_format_mimetype()
    if not image.filename or mime_type is None or not os.path.isfile(path):
        return None
    data = _read(path)
    # `tile` is emptied when the pixels are read; before that nobody can have changed more than the palette.
    if not image.tile or image.palette is not None:
        try:
            with PIL.Image.open(io.BytesIO(data)) as file:
                if _pixels(file) != _pixels(image):
                    return None
        except OSError:
            return None
    return protos.Blob(mime_type=mime_type, data=data)


def _pixels(image: PIL.Image.Image) -> tuple[object, ...]:
    """All that an image shows."""
    return image.mode, image.size, image.tobytes(), image.getpalette()


def _encoded(image: PIL.Image.Image) -> protos.Blob:
    """The pixels without loss: as WebP, or as PNG where WebP has too few bits or pixels for them."""
    webp = image.mode in WEBP_MODES and max(image.size) <= WEBP_PIXELS
    # The fastest of WebP's lossless settings: a seventeenth of the default ones' CPU, for up to twice the bytes
    # (benchmarks/micro/images.py).
    # `exact` keeps the colours under full transparency.
    settings: dict[str, Any] = {"lossless": True, "exact": True, "quality": 0, "method": 0} if webp else {}
    encoded = io.BytesIO()
    try:
        image.save(encoded, format="WEBP" if webp else "PNG", **settings)
    except (OSError, ValueError, SyntaxError) as error:
        source = getattr(image, "filename", "") or "in memory"
        raise ValueError(f"cannot read the image {source}, or not encode it: {error}") from error
    return protos.Blob(mime_type="image/webp" if webp else "image/png", data=encoded.getvalue())


def _ipython_to_blob(image: Any) -> protos.Blob:
    if image.data is None:
        raise ValueError("the IPython image holds no data; make it with Image(filename=...) or Image(data=...)")
    import mimetypes

    mime_type, _ = mimetypes.guess_type(image.filename or f"image.{image.format}")
    return protos.Blob(mime_type=mime_type or "image/unknown", data=image.data)


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
