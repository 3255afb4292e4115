"""How a figure is written for people. One function a kind; None is a dash."""

from collections.abc import Callable

_SIZES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_TIMES = (("h", 3600.0), ("min", 60.0))
UNKNOWN = "–"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _number(value: float) -> str:
    """Three digits that count; whole numbers from a thousand on."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{float(f'{value:.2g}'):.9f}".rstrip("0").rstrip(".") if "e" in text else text


def _share(value: float) -> str:
    percent = 100 * value
    digits = 0 if percent in (0, 100) else 2 if percent < 0.95 or 99.04 < percent < 100 else 1
    return f"{percent:.{digits}f} %"


def _seconds(value: float) -> str:
    for unit, size in _TIMES:
        if abs(value) >= size:
            return f"{_number(value / size)} {unit}"
    return f"{_number(value)} s"


def _hours(value: float) -> str:
    return _seconds(value * 3600)


def _bytes(value: float) -> str:
    for unit, size in _SIZES:
        if value >= size:
            return f"{_number(value / size)} {unit}"
    return f"{value:.0f} B"


def _degrees(value: float) -> str:
    return f"{value:.0f}°"


FORMATS: dict[str, Callable[[float], str]] = {
    "count": _count,
    "number": _number,
    "share": _share,
    "seconds": _seconds,
    "hours": _hours,
    "bytes": _bytes,
    "degrees": _degrees,
}


def written(kind: str, value: float | None) -> str:
    """The text of a figure: by kind count, number, share, seconds, hours, bytes or degrees."""
    return UNKNOWN if value is None else FORMATS[kind](value)
