"""Format figures for display, one function per kind; None is a dash."""

from collections.abc import Callable

_SIZES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_TIMES = (("h", 3600.0), ("min", 60.0))
UNKNOWN = "–"


def _format_count(value: float) -> str:
    return f"{value:,.0f}"


def _format_number(value: float) -> str:
    """Format three significant digits; whole numbers from 1000 on."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{float(f'{value:.2g}'):.9f}".rstrip("0").rstrip(".") if "e" in text else text


def _format_share(value: float) -> str:
    percent = 100 * value
    digits = 0 if percent in (0, 100) else 2 if percent < 0.95 or 99.04 < percent < 100 else 1
    return f"{percent:.{digits}f} %"


def _format_seconds(value: float) -> str:
    for unit, size in _TIMES:
        if abs(value) >= size:
            return f"{_format_number(value / size)} {unit}"
    return f"{_format_number(value)} s"


def _format_hours(value: float) -> str:
    return _format_seconds(value * 3600)


def _format_bytes(value: float) -> str:
    for unit, size in _SIZES:
        if value >= size:
            return f"{_format_number(value / size)} {unit}"
    return f"{value:.0f} B"


def _format_degrees(value: float) -> str:
    return f"{value:.0f}°"


FORMATS: dict[str, Callable[[float], str]] = {
    "count": _format_count,
    "number": _format_number,
    "share": _format_share,
    "seconds": _format_seconds,
    "hours": _format_hours,
    "bytes": _format_bytes,
    "degrees": _format_degrees,
}


def format_figure(kind: str, value: float | None) -> str:
    """Format a figure of the kind count, number, share, seconds, hours, bytes or degrees."""
    return UNKNOWN if value is None else FORMATS[kind](value)
