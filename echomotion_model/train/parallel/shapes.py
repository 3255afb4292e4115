"""How many shapes of input the blocks of a run can meet."""

from echomotion_model.train.config import TrainConfig


def block_shapes(config: TrainConfig) -> int:
    """At most so many, whichever buckets the data fill: a compiled block is compiled anew for each."""
    buckets = config.data.buckets
    lengths = (buckets.max_frames - buckets.min_frames) // 4 + 1  # 4k+1 frames
    # Video alone, and with motion. Motion alone is of one shape for all pictures of a length.
    pictures = 2 * lengths * len(buckets.resolutions)
    blocks = pictures + lengths
    if config.model.dual_every > 1:
        blocks += pictures  # those that motion skips
    # Samples for validation have neither the batch nor the gradients of training, and phase 1 not those of phase 2.
    return 2 * blocks + lengths
