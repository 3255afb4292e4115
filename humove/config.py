"""The base of every configuration section."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A frozen section that knows its keys: a misspelt one is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)
