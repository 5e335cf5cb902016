"""JSON values to Python's scalars, and to its dates, times, UUIDs and decimals."""

from __future__ import annotations

import datetime
import decimal
import re
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["SCALARS"]


def _int(value: int | float) -> int:
    if value != (integer := int(value)):
        raise ValueError
    return integer


def _decimal(value: int | float | str) -> decimal.Decimal:
    # Through str, so that 0.1 is 0.1 and not 0.1000000000000000055511151231257827.
    return decimal.Decimal(str(value))


def _to_iso_format(text: str) -> str:
    """Rewrite an RFC 3339 time (https://www.rfc-editor.org/rfc/rfc3339) so that Python 3.10's `fromisoformat` reads it.

    It reads neither a "Z" nor fractions other than of 3 or 6 digits.
    """
    text = re.sub(r"[Zz]$", "+00:00", text)
    return re.sub(r"\.(\d+)", lambda found: f".{found[1][:6]:0<6}", text)


def _date(text: str) -> datetime.date:
    if len(text) > len("2000-01-31"):
        return datetime.datetime.fromisoformat(_to_iso_format(text)).date()
    return datetime.date.fromisoformat(text)


DURATION: Final = re.compile(
    r"(?P<sign>-?)P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def _duration(value: int | float | str) -> datetime.timedelta:
    """Parse a duration of RFC 3339, appendix A, without years and months; or a number of seconds."""
    if not isinstance(value, str):
        return datetime.timedelta(seconds=value)
    found = DURATION.fullmatch(value)
    if found is None:
        raise ValueError
    units = {name: float(number) for name, number in found.groupdict().items() if name != "sign" and number}
    duration = datetime.timedelta(**units)
    return -duration if found["sign"] else duration


NUMBERS: Final = (int, float)
# By Python type: the types of JSON values that it is parsed from, and the conversion.
SCALARS: Final[Mapping[type, tuple[tuple[type, ...], Callable[[Any], Any]]]] = {
    int: (NUMBERS, _int),
    float: (NUMBERS, float),
    str: ((str,), str),
    bool: ((bool,), bool),
    types.NoneType: ((types.NoneType,), lambda value: value),
    datetime.datetime: ((str,), lambda text: datetime.datetime.fromisoformat(_to_iso_format(text))),
    datetime.date: ((str,), _date),
    datetime.time: ((str,), lambda text: datetime.time.fromisoformat(_to_iso_format(text))),
    datetime.timedelta: ((str, *NUMBERS), _duration),
    uuid.UUID: ((str,), uuid.UUID),
    decimal.Decimal: ((str, *NUMBERS), _decimal),
}
