"""Settings of parallelism, precision, activation checkpointing and compilation."""

from typing import Literal

from pydantic import Field

from humove.config.strict import Strict
from humove.errors import UserError


class ParallelConfig(Strict):
    """Settings that change a run's results only by rounding; all may differ on resume."""

    processes: int = Field(
        0, ge=0, description="processes of a run on Ray, each with one GPU if there are any; 0: one per GPU"
    )
    retries: int = Field(
        3, ge=0, description="times that Ray restarts the processes from the last checkpoint after one has died"
    )
    ulysses_degree: int = Field(
        1,
        ge=1,
        description="processes that split the tokens of each sample (Ulysses); divides the heads and the processes",
    )
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        "auto", description="type of activations; auto: bfloat16 on a GPU, float32 on a CPU. Weights stay float32"
    )
    activation_checkpointing: Literal[
        "auto", "full", "selective-attention", "selective-projections", "selective-products", "none"
    ] = Field(
        "auto",
        description="activations of a block that the backward pass recomputes: all (full); all but the outputs of "
        "attention; of attention and non-widening matrix products (projections); of attention and all matrix products; "
        "none. auto: selective-attention on a GPU, none on a CPU",
    )
    compile: Literal["auto", "always", "never"] = Field(
        "auto", description="whether blocks are compiled, which takes minutes at the start; auto: on a GPU"
    )

    def count_ranks(self, processes: int) -> int:
        """Count the data-parallel ranks of `processes`. UserError if ulysses_degree does not divide them."""
        if processes % self.ulysses_degree:
            raise UserError(
                f"parallel.ulysses_degree={self.ulysses_degree} does not divide the {processes} processes of the "
                "run: set it to a divisor, or start another number of processes"
            )
        return processes // self.ulysses_degree

    def check_heads(self, heads: int) -> None:
        """Raise UserError if ulysses_degree does not divide the model's heads."""
        if heads % self.ulysses_degree:
            raise UserError(
                f"parallel.ulysses_degree={self.ulysses_degree} does not divide the model's {heads} heads: "
                "set it to a divisor"
            )
