"""Bytes and MIME types of images and files. PIL and IPython are used only if the program has imported them.

A program that has imported PIL and no more gets PIL.Image with this module, as it did with google.generativeai.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import PIL.Image
    import PIL.ImageFile

__all__ = ["BlobData", "image_to_blob", "path_to_blob"]

if "PIL" in sys.modules:
    with suppress(ImportError):  # a package of that name that is not Pillow
        import_module("PIL.Image")

# Pixels a side that WebP can store (https://developers.google.com/speed/webp/docs/riff_container).
MAX_WEBP_SIDE: Final = 16383
# The fastest lossless settings of WebP: a seventeenth of the CPU of the default ones, for up to twice the bytes
# (benchmarks/micro/images.py). `exact` keeps the colours of fully transparent pixels.
WEBP: Final[dict[str, Any]] = {"format": "WEBP", "lossless": True, "exact": True, "quality": 0, "method": 0}
# Metadata that Pillow would copy from the image: its colour profile may describe the mode before the conversion.
PNG: Final[dict[str, Any]] = {"format": "PNG", "icc_profile": b"", "exif": b""}

# Modes with an alpha channel, and modes whose alpha channel is in the palette or in `info["transparency"]`.
ALPHA_MODES: Final = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
TRANSPARENCY_MODES: Final = frozenset({"1", "L", "I", "I;16", "P", "RGB"})
# Modes that PNG stores, and that Pillow converts to RGB for WebP.
OPAQUE_MODES: Final = frozenset({"1", "L", "RGB"})
# Raw modes of the modes that are I;16 in a given byte order.
BYTE_ORDERS: Final = {"I;16B": "I;16B", "I;16L": "I;16", "I;16N": "I;16N"}

ORIENTATION: Final = 0x0112  # the EXIF tag; 1 is upright

# What Pillow raises for an image that is closed, that is damaged, or that it cannot convert.
PILLOW_ERRORS: Final = (EOFError, ImportError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error)

# Held to move the position in an image's file, for threads that send one image.
PEEKING: Final = threading.Lock()

# Signatures of image formats: offsets in the file, and the bytes there, one of several.
SIGNATURES: Final[dict[str, tuple[tuple[int, tuple[bytes, ...]], ...]]] = {
    "image/png": ((0, (b"\x89PNG\r\n\x1a\n",)),),
    "image/jpeg": ((0, (b"\xff\xd8\xff",)),),
    "image/gif": ((0, (b"GIF87a", b"GIF89a")),),
    "image/webp": ((0, (b"RIFF",)), (8, (b"WEBP",))),
    # The brands of ISO/IEC 23008-12: HEVC images and sequences, and those of any codec.
    "image/heic": ((4, (b"ftyphei", b"ftyphev")),),
    "image/heif": ((4, (b"ftypmif", b"ftypmiaf", b"ftypmsf")),),
    "image/avif": ((4, (b"ftypavif", b"ftypavis")),),
    "image/bmp": ((0, (b"BM",)), (14, tuple(bytes((size, 0, 0, 0)) for size in (12, 40, 52, 56, 64, 108, 124)))),
    "image/tiff": ((0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),),
}


class BlobData(NamedTuple):
    """The fields of a Blob, before the data is copied into a message."""

    mime_type: str
    data: bytes


def path_to_blob(path: os.PathLike[str]) -> BlobData:
    """Read a file; its signature, if it is an image's, or else its name determines the MIME type.

    Raises:
        ValueError: The file cannot be read, its MIME type is unknown, or it is named as an image and has no signature.
    """
    import mimetypes  # 8 ms, and text prompts do without

    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    if (image_type := _image_type(data)) is not None:
        return BlobData(image_type, data)
    # Not strict: WebP is not registered before Python 3.13. An encoding is a compression around the MIME type.
    mime_type, encoding = mimetypes.guess_type(os.path.basename(path), strict=False)
    if mime_type is None or encoding is not None:
        raise ValueError(f"cannot tell the MIME type of {path}; pass {{'mime_type': ..., 'data': ...}} instead")
    if mime_type in SIGNATURES:
        raise ValueError(
            f"cannot read {path} as {mime_type}: its {len(data)} bytes lack the signature of that format; "
            "rename the file, or pass {'mime_type': ..., 'data': ...} instead"
        )
    return BlobData(mime_type, data)


def image_to_blob(value: Any) -> BlobData | None:
    """Encode a PIL or IPython image; None for other values.

    A PIL image that was opened from a local file and not changed since is sent as the bytes of that file, whose EXIF
    orientation they contain. Other PIL images are sent as Pillow shows them: the current frame, upright, converted to
    RGB or RGBA, without loss, as WebP, or as PNG if a side is too long for WebP. Those of 16 bits a pixel are sent as
    PNG of 16 bits.

    Raises:
        TypeError: The data of an IPython image is not bytes.
        ValueError: The image is empty or closed, or cannot be read or converted.
    """
    if (pil := sys.modules.get("PIL.Image")) is not None and isinstance(value, pil.Image):
        return _pil_to_blob(value)
    if (display := sys.modules.get("IPython.display")) is not None and isinstance(value, display.Image):
        return _ipython_to_blob(value)
    return None


def _image_type(data: bytes) -> str | None:
    """MIME type of an image format by its signature; None if there is none."""
    for mime_type, signature in SIGNATURES.items():
        if all(data.startswith(options, offset) for offset, options in signature):
            return mime_type
    return None


def _pil_to_blob(image: PIL.Image.Image) -> BlobData:
    source = getattr(image, "filename", "") or "in memory"
    if 0 in image.size:
        raise ValueError(f"the image {source} has no pixels ({image.width} x {image.height}); pass one that has")
    try:
        if (original := _read_original(image)) is not None:
            return original
        if not _is_closed(image):
            return _encode(image)
    except PILLOW_ERRORS as error:
        raise ValueError(
            f"cannot read or encode the image {source}: {error}; "
            "pass an image that is open, complete and of a mode that Pillow converts to RGB"
        ) from error
    raise ValueError(f"the image {source} was closed before it was read; open it again, or pass a pathlib.Path")


def _is_closed(image: PIL.Image.Image) -> bool:
    """Whether an image of a file was closed before its pixels were read."""
    # `tile` is emptied when the pixels are read, before any change of them. Some formats leave it empty.
    return bool(getattr(image, "tile", None)) and getattr(image, "fp", None) is None


def _read_original(image: PIL.Image.Image) -> BlobData | None:
    """Read the file that `image` was opened from; None if there is none, or if it does not show the same image.

    Raises:
        Exception: One of PILLOW_ERRORS: the pixels of `image` cannot be read.
    """
    # The program has imported PIL.Image, and PIL.ImageFile with it if it opened a file.
    import PIL.ImageFile

    # A copy by `copy.deepcopy` or from a pickle is of the same class, without `fp` and what the class needs.
    if not isinstance(image, PIL.ImageFile.ImageFile) or not hasattr(image, "fp"):
        return None
    path = os.fsdecode(image.filename or "")
    if image.tell() > 0 or not os.path.isfile(path):  # the file shows its first frame
        return None
    try:
        with open(path, "rb") as file:
            data = file.read()
        original = type(image)(io.BytesIO(data))
    except PILLOW_ERRORS:
        return None
    mime_type = _image_type(data) or image.get_format_mimetype()
    if mime_type is not None and _shows(image, original, data, path):
        return BlobData(mime_type, data)
    return None


def _shows(image: PIL.ImageFile.ImageFile, original: PIL.ImageFile.ImageFile, data: bytes, path: str) -> bool:
    """Whether `image` shows the same as `original`, which is that of `data`, the contents of the file at `path`."""
    if _is_closed(image):  # only the file has the pixels
        return _header(image) == _header(original)
    if _is_unread(image, original, data, path):
        return True
    pixels = _pixels(image)
    try:
        return pixels == _pixels(original)
    except PILLOW_ERRORS:
        return False


def _is_unread(image: PIL.ImageFile.ImageFile, original: PIL.ImageFile.ImageFile, data: bytes, path: str) -> bool:
    """Whether the pixels of `image` have not been read, and reading them would give those of `original`.

    True costs no decoding. False means that the pixels must be compared.
    """
    import PIL.Image  # as above

    if not image.tile or image.fp is None or _header(image) != _header(original):
        return False
    # A PNG without EXIF data at its beginning reads all its pixels for it, so nobody has asked for it and changed it.
    has_exif = "exif" in image.info or type(image).getexif is PIL.Image.Image.getexif
    return _will_read(image.fp, image.tile[0][2], data, path) and (
        not has_exif or _orientation(image) == _orientation(original)
    )


def _header(image: PIL.ImageFile.ImageFile) -> tuple[object, ...]:
    """What Pillow reads when it opens a file, and what decides how the pixels are shown."""
    palette = None if image.palette is None else (image.palette.mode, image.palette.getdata())
    return image.mode, image.size, image.tile, palette, image.info.get("transparency"), image.info.get("exif")


def _will_read(file: object, offset: int, data: bytes, path: str) -> bool:
    """Whether an open file is that of `path`, and reading it at `offset` would give `data`.

    The file may have been replaced, or overwritten, after Pillow read its beginning into the buffer of `file`.
    """
    if not isinstance(file, io.BufferedReader) or not os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
        return False
    with PEEKING:
        position = file.tell()
        file.seek(offset)
        same = data.startswith(file.peek(), offset)
        file.seek(position)
    return same


def _pixels(image: PIL.Image.Image) -> tuple[object, ...]:
    """What Pillow shows."""
    palette = image.getpalette(None)
    return image.mode, image.size, image.tobytes(), palette, image.info.get("transparency"), _orientation(image)


def _orientation(image: PIL.Image.Image) -> int:
    """EXIF orientation; 1 (upright) if there is none, or if the EXIF data is damaged."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except (*PILLOW_ERRORS, AssertionError, AttributeError):  # the latter for a TIFF that has closed its file
        return 1


def _encode(image: PIL.Image.Image) -> BlobData:
    """Encode what Pillow shows without loss: as WebP, or as PNG if WebP does not support the depth or the size."""
    shown = _shown(image)
    webp = shown.mode != "I;16" and max(shown.size) <= MAX_WEBP_SIDE
    encoded = io.BytesIO()
    shown.save(encoded, **(WEBP if webp else PNG))
    return BlobData("image/webp" if webp else "image/png", encoded.getvalue())


def _shown(image: PIL.Image.Image) -> PIL.Image.Image:
    """Turn the image upright, and convert it to a mode that is encoded without loss; `image` itself if it is so."""
    import PIL.Image  # as above

    image.load()  # a TIFF is turned upright when it is read
    if _orientation(image) != 1:
        import PIL.ImageOps

        image = PIL.ImageOps.exif_transpose(image)
    if image.mode in BYTE_ORDERS:
        return PIL.Image.frombytes("I;16", image.size, image.tobytes(), "raw", BYTE_ORDERS[image.mode])
    if image.mode == "La":
        image = image.convert("LA")  # La converts to no other mode
    if image.mode == "I;16":
        return image
    if _has_alpha(image):
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in OPAQUE_MODES else image.convert("RGB")


def _has_alpha(image: PIL.Image.Image) -> bool:
    palette = image.palette if image.mode == "P" else None
    return (
        image.mode in ALPHA_MODES
        or (palette is not None and palette.mode.endswith("A"))
        or ("transparency" in image.info and image.mode in TRANSPARENCY_MODES)
    )


def _ipython_to_blob(image: Any) -> BlobData:
    if image.data is None:
        raise ValueError("the IPython image has no data; create it with Image(filename=...) or Image(data=...)")
    if not isinstance(image.data, bytes):
        raise TypeError(f"the data of an IPython image must be bytes; got {type(image.data).__name__}")
    import mimetypes  # as above

    named, _ = mimetypes.guess_type(image.filename or f"image.{image.format}")
    return BlobData(_image_type(image.data) or named or "image/unknown", image.data)
