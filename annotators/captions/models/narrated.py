"""A caption that a vision-language model wrote, with its category."""

from dataclasses import dataclass

from humove.types import Caption


@dataclass(frozen=True, slots=True, kw_only=True)
class NarratedCaption(Caption):
    """A Caption with the fields that only a model can add."""

    category: str = ""
    """The fine class that the model chose, if it was requested."""
    refused: bool = False
    """The model refused; the texts are measured instead, as `source` states."""
