"""The number of input shapes of a run's blocks."""

from echomotion_model.train.config import TrainConfig


def count_block_shapes(config: TrainConfig) -> int:
    """Count the input shapes that are possible with any data: a block is compiled for each."""
    buckets = config.data.buckets
    lengths = (buckets.max_frames - buckets.min_frames) // 4 + 1  # 4k+1 frames
    # Video only, and with motion. Motion only has one shape for all resolutions.
    with_video = 2 * lengths * len(buckets.resolutions)
    blocks = with_video + lengths
    if config.model.dual_every > 1:
        blocks += with_video  # blocks without a motion branch
    # Validation has another batch size and no gradients, and phase 1 other gradients than phase 2.
    return 2 * blocks + lengths
