"""A probe as JSON values."""

from dataclasses import asdict, fields
from fractions import Fraction

from humove.video.probe import Probe

_FRACTIONS = tuple(f.name for f in fields(Probe) if f.type is Fraction)


def dump_probe(probed: Probe) -> dict:
    return {k: str(v) if k in _FRACTIONS else v for k, v in asdict(probed).items()}


def parse_probe(row: dict) -> Probe:
    return Probe(**{k: Fraction(v) if k in _FRACTIONS else v for k, v in row.items()})
