"""How a run is spread over processes, and how a block is computed."""

from typing import Literal

from pydantic import Field

from humove.config import Strict
from humove.errors import UserError


class ParallelConfig(Strict):
    """Nothing here changes what is learned, but for rounding: any of it may differ when a run is resumed."""

    processes: int = Field(
        0, ge=0, description="processes of a run on Ray, each with one GPU where there are any; 0: one for each GPU"
    )
    retries: int = Field(
        3, ge=0, description="times that Ray starts them again, from the last checkpoint, when one has died"
    )
    sequence: int = Field(
        1, ge=1, description="processes that split the tokens of each sample between them; divides the heads"
    )
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        "auto", description="type of the tokens; auto: bfloat16 on a GPU, float32 on a CPU. Weights stay float32"
    )
    keep: Literal["auto", "nothing", "attention", "projections", "products", "everything"] = Field(
        "auto",
        description="what of a block's forward pass is kept for the backward pass, the rest being computed again: its "
        "attention; that and the matrix products that do not widen; all matrix products; everything. auto: attention "
        "on a GPU, everything on a CPU",
    )
    compile: Literal["auto", "always", "never"] = Field(
        "auto", description="whether blocks are compiled; auto: on a GPU. It costs minutes at the start"
    )

    def ranks(self, processes: int) -> int:
        """How many shares `processes` make of a batch. UserError where `sequence` does not divide them."""
        if processes % self.sequence:
            raise UserError(
                f"parallel.sequence={self.sequence} does not divide the {processes} processes of the run: choose a "
                "divisor, or start another number of processes"
            )
        return processes // self.sequence

    def check_heads(self, heads: int) -> None:
        """UserError where `sequence` does not divide the model's heads."""
        if heads % self.sequence:
            raise UserError(
                f"parallel.sequence={self.sequence} does not divide the model's {heads} heads: choose a divisor"
            )
