"""A caption that a model wrote after looking at the pictures, and what else it said."""

from dataclasses import dataclass

from humove.types import Caption


@dataclass(frozen=True, slots=True, kw_only=True)
class NarratedCaption(Caption):
    """A Caption with what only a model that was asked can add."""

    category: str = ""
    """The fine class that the model chose, where it was asked for one."""
    refused: bool = False
    """The model declined; the texts are what was measured instead, and `source` says so."""
