"""EchoMotion's network: predicts velocities of video and motion from their noisy states, a text and a task.

Shape suffixes: B batch; C channels, F, H, W of the video latents; N video tokens; T frames, F of motion features 235;
M motion tokens; L text tokens, D width (of `text_BLD`: the text encoder's).
"""

from collections.abc import Callable

import torch
from torch import nn

from echomotion_model.model.attention import SingleRank, TokenSharing
from echomotion_model.model.block import Block
from echomotion_model.model.config import ModelConfig
from echomotion_model.model.init import init_weights
from echomotion_model.model.layers import ConditionEmbedder, Float32Tables, LayerNorm, Linear, PatchEmbedding
from echomotion_model.model.motion_tokens import MotionIn, MotionOut, TaskEmbedder
from echomotion_model.model.rope import build_motion_table, build_video_table, compute_frame_times


def is_motion_parameter(name: str) -> bool:
    """Return whether this parameter is not part of Wan: of a motion branch, or of the motion's input and output."""
    return name.startswith(("motion_", "task_embedder.")) or ".motion." in name


class EchoMotionTransformer(Float32Tables):
    """Wan's transformer, with diffusers' parameter names, and motion branches.

    An absent modality is None: its tokens are left out, not masked, so that without motion the output equals Wan's bit
    for bit.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.dim
        self.patch_embedding = PatchEmbedding(config.channels, width, config.patch, stride=config.patch)
        self.condition_embedder = ConditionEmbedder(width, config.freq_dim, config.text_dim)
        self.blocks = nn.ModuleList([Block(config, config.is_dual(layer)) for layer in range(config.layers)])
        self.norm_out = LayerNorm(width, config.eps, elementwise_affine=False)
        self.proj_out = Linear(width, config.channels * config.patch[1] * config.patch[2])
        self.scale_shift_table = nn.Parameter(torch.empty(1, 2, width))
        self.motion_in = MotionIn(config.motion_hidden, width)
        self.motion_out = MotionOut(config.motion_hidden, width)
        self.motion_scale_shift_table = nn.Parameter(torch.empty(1, 2, width))
        self.task_embedder = TaskEmbedder(config.motion_hidden, width)
        self.compute_dtype: torch.dtype | None = None
        """The dtype of the tokens; None: that of the weights. Training uses float32 weights with bfloat16 tokens."""
        self.run_block: Callable = _call_block
        """Called as run_block(block, *arguments); replaced for activation checkpointing."""
        self._sharing: TokenSharing = SingleRank()
        init_weights(self)

    def set_sharing(self, sharing: TokenSharing) -> None:
        """Set how the tokens of a sample are split over ranks."""
        self._sharing = sharing
        for block in self.blocks:
            block.sharing = sharing

    def forward(
        self,
        video_BCFHW: torch.Tensor | None,
        motion_BTF: torch.Tensor | None,
        text_BLD: torch.Tensor,
        timestep_video_B: torch.Tensor | None,
        timestep_motion_B: torch.Tensor | None,
        task_B: torch.Tensor | None = None,
        grid_HW: tuple[int, int] | None = None,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return velocities (noise minus data) in the shapes of the inputs; None for an absent modality.

        motion_BTF: normalised features, float32, as is its velocity. timestep: 1000 sigma, 0 for a condition.
        task_B: int64, or None for no task embedding. grid_HW: height and width of the video's token grid, on which the
        motion's positions depend; required without a video. ValueError for shapes that do not match.
        """
        self._check_shapes(video_BCFHW, motion_BTF, grid_HW)
        dtype = self.compute_dtype or self.condition_embedder.text_embedder.linear_1.weight.dtype
        text_BLD = self.condition_embedder.text_embedder(text_BLD.to(dtype))
        task = self.task_embedder(task_B, dtype) if task_B is not None else None
        video = motion = video_time = motion_time = video_head = motion_head = None
        video_rows = motion_rows = None
        lengths = []
        if video_BCFHW is not None:
            grid = self._get_grid(video_BCFHW)
            grid_HW = grid[1:]
            video = self.patch_embedding(video_BCFHW.to(dtype))
            video_head, video_time = self.condition_embedder.embed_time(timestep_video_B, dtype)
            video_rows = build_video_table(grid, self.config.head_dim, video.device)
            lengths.append(video.shape[1])
        if motion_BTF is not None:
            motion = self.motion_in(motion_BTF).to(dtype)
            motion_head, motion_time = self.condition_embedder.embed_time(timestep_motion_B, dtype)
            motion_rows = self._build_motion_rows(motion_BTF.shape[1], grid_HW, motion.device)
            lengths.append(motion.shape[1])
        video, video_rows = self._scatter_stream(video, video_rows, task)
        motion, motion_rows = self._scatter_stream(motion, motion_rows, task)
        for block in self.blocks:
            if video is not None or block.motion is not None:
                video, motion = self.run_block(
                    block, video, motion, text_BLD, video_time, motion_time, video_rows, motion_rows, tuple(lengths)
                )
        if video is not None:
            video = self.proj_out(self._modulate(video, self.scale_shift_table, video_head).to(dtype))
            video = self._unpatchify(self._sharing.gather(video, lengths[0]), grid)
        if motion is not None:
            motion = self._sharing.gather(motion, lengths[-1])
            motion = self.motion_out(self._modulate(motion, self.motion_scale_shift_table, motion_head))
        return video, motion

    def _check_shapes(
        self, video: torch.Tensor | None, motion: torch.Tensor | None, grid_HW: tuple[int, int] | None
    ) -> None:
        if video is None and (motion is None or grid_HW is None):
            raise ValueError("no video: give motion, and the token grid of its video")
        if video is None:
            return
        _, down, across = self.config.patch
        if video.shape[3] % down or video.shape[4] % across:
            raise ValueError(f"latents of {video.shape[3]}x{video.shape[4]}: expected multiples of {down}x{across}")
        if grid_HW is not None and tuple(grid_HW) != self._get_grid(video)[1:]:
            raise ValueError(f"token grid {tuple(grid_HW)} for a video of {self._get_grid(video)[1:]}")
        frames = self.config.frame_stride * (video.shape[2] - 1) + 1
        if motion is not None and motion.shape[1] != frames:
            raise ValueError(
                f"{motion.shape[1]} frames of motion, {video.shape[2]} latents of video: expected {frames}"
            )

    def _get_grid(self, video_BCFHW: torch.Tensor) -> tuple[int, int, int]:
        """Return the tokens along time, height and width."""
        return tuple(size // patch for size, patch in zip(video_BCFHW.shape[2:], self.config.patch, strict=True))

    def _build_motion_rows(self, frames: int, grid_HW: tuple[int, int], device: torch.device) -> tuple:
        corner = grid_HW if self.config.motion_place == "beyond" else (0, 0)
        times = compute_frame_times(frames, self.config.frame_stride, self.config.motion_time == "centred")
        return build_motion_table(times, corner, self.config.head_dim, device)

    def _scatter_stream(self, tokens: torch.Tensor | None, rows: tuple | None, task: torch.Tensor | None) -> tuple:
        """Add the task embedding to a stream, and take this rank's part of it and of its rotary table."""
        if tokens is None:
            return None, None
        if task is not None:
            tokens = tokens + task
        return self._sharing.scatter(tokens), tuple(self._sharing.scatter(part) for part in rows)

    def _modulate(self, x_BLD: torch.Tensor, table_12D: torch.Tensor, time_BD: torch.Tensor) -> torch.Tensor:
        """Apply the head's modulated norm, in float32."""
        shift, scale = (table_12D + time_BD[:, None]).chunk(2, dim=1)
        return self.norm_out(x_BLD) * (1 + scale) + shift

    def _unpatchify(self, tokens_BND: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """Rearrange patches of tokens to (B, C, F, H, W)."""
        _, down, across = self.config.patch
        frames, high, wide = grid
        patches = tokens_BND.reshape(len(tokens_BND), frames, high, wide, down, across, -1).permute(0, 6, 1, 2, 4, 3, 5)
        return patches.reshape(len(tokens_BND), -1, frames, high * down, wide * across)


def _call_block(block: nn.Module, *arguments: object) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    return block(*arguments)
