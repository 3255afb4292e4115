"""Settings of an import."""

from typing import Self

from pydantic import Field, PositiveFloat, model_validator

from humove.config.strict import Strict


class ImportSettings(Strict):
    """Settings for cutting, resampling and splitting motion."""

    max_fps: int = Field(
        30, ge=1, description="faster motion is resampled to this rate (slerp); slower motion keeps its own"
    )
    min_seconds: float = Field(1.0, ge=0, description="shorter motion is left out")
    max_seconds: PositiveFloat = Field(10.0, description="longer motion is cut into equal pieces of this or less")
    val: float = Field(0.05, ge=0, le=1, description="share of the subjects that go to val")
    test: float = Field(0.05, ge=0, le=1, description="share of the subjects that go to test")

    @model_validator(mode="after")
    def _check_lengths_and_shares(self) -> Self:
        if self.val + self.test > 1:
            raise ValueError(f"val {self.val} and test {self.test} sum to more than 1; reduce one")
        if self.max_seconds < 2 * self.min_seconds:
            raise ValueError(f"max_seconds {self.max_seconds} must be at least twice min_seconds {self.min_seconds}")
        return self
