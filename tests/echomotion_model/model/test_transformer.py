"""Both branches together: joint attention, absent modalities, tasks, sharing of tokens, and shapes that do not fit."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from echomotion_model.model.attention import SingleRank
from echomotion_model.model.init import copy_video_to_motion
from echomotion_model.model.rope import build_motion_table, build_video_table, compute_frame_times
from echomotion_model.model.transformer import EchoMotionTransformer, is_motion_parameter
from tests.echomotion_model.model.small import FRAMES, GRID, LATENTS, SMALL, echo, inputs, wan


def test_a_dual_block_with_equal_branches_is_wans_block_over_both_streams() -> None:
    """Joint attention, held against diffusers' block on the tokens of both streams end to end."""
    reference = wan()
    model = echo()
    model.load_state_dict(reference.state_dict(), strict=False)
    copy_video_to_motion(model)
    rng = torch.Generator().manual_seed(3)
    text = torch.randn(2, 7, SMALL.dim, generator=rng)
    time = torch.randn(2, 6, SMALL.dim, generator=rng)
    tables = (build_video_table((LATENTS, *GRID), 24), build_motion_table(compute_frame_times(FRAMES, 4), GRID, 24))
    lengths = tuple(table[0].shape[1] for table in tables)
    video, motion = (torch.randn(2, length, SMALL.dim, generator=rng) for length in lengths)
    wans_table = tuple(torch.cat(parts, 1).repeat_interleave(2, -1) for parts in zip(*tables, strict=True))
    with torch.no_grad():
        ours = torch.cat(model.blocks[0](video, motion, text, time, time, *tables, lengths), 1)
        theirs = reference.blocks[0](torch.cat([video, motion], 1), text, time, wans_table)
    assert lengths == (72, 459) and torch.allclose(ours, theirs, atol=2e-5)


def test_each_modality_attends_to_the_other_and_has_its_own_weights_and_time() -> None:
    model, given = echo(), inputs()

    def velocities(**changes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with torch.no_grad():
            return model(**{**given, **changes})

    before = velocities()
    for changed in ("video_BCFHW", "motion_BTF", "timestep_video_B", "timestep_motion_B", "text_BLD"):
        after = velocities(**{changed: given[changed] + 1})
        assert all((a - b).abs().max() > 1e-4 for a, b in zip(before, after, strict=True)), changed
    assert [tuple(v.shape) for v in before] == [(2, 16, 3, 8, 12), (2, 9, 235)]


def test_samples_of_a_batch_do_not_mix() -> None:
    model, given = echo(), inputs()
    with torch.no_grad():
        both = model(**given, task_B=torch.tensor([1, 2]))
        alone = model(**{name: tensor[1:] for name, tensor in given.items()}, task_B=torch.tensor([2]))
    for whole, one in zip(both, alone, strict=True):
        assert torch.allclose(whole[1:], one, atol=1e-5)


def test_without_video_only_motion_weights_and_the_shared_ones_are_used() -> None:
    config = SMALL.model_copy(update={"dual_every": 2})
    model, given = echo(config), inputs(config)
    given |= {"video_BCFHW": None, "timestep_video_B": None}
    video, motion = model(**given, task_B=torch.tensor([0, 0]), grid_HW=GRID)
    assert video is None and motion.dtype == torch.float32
    motion.sum().backward()
    used = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert used == {
        name for name in model.state_dict() if is_motion_parameter(name) or name.startswith("condition_embedder.")
    }


def test_the_grid_of_absent_video_moves_the_motion() -> None:
    model, given = echo(), inputs()
    given |= {"video_BCFHW": None, "timestep_video_B": None}
    with torch.no_grad():
        here = model(**given, grid_HW=GRID)[1]
        # Motion tokens keep their distances, and rotary attention knows nothing else.
        assert torch.allclose(here, model(**given, grid_HW=(9, 13))[1], atol=1e-4)
        colliding = echo(SMALL.model_copy(update={"motion_place": "colliding"}))
        joint, joint_colliding = model(**inputs())[1], colliding(**inputs())[1]
    assert (joint - joint_colliding).abs().max() > 1e-4


def test_motion_passes_blocks_that_are_not_dual() -> None:
    config = SMALL.model_copy(update={"dual_every": 2})
    model, given = echo(config), inputs(config)
    with torch.no_grad():
        before = model(**given)
        for parameter in model.blocks[1].parameters():
            parameter.zero_()
        after = model(**given)
    assert torch.equal(before[1], after[1]) and not torch.equal(before[0], after[0])


def test_the_task_is_added_to_both_streams() -> None:
    model, given = echo(), inputs()
    with torch.no_grad():
        plain, first, second = (
            model(**given, task_B=task) for task in (None, torch.tensor([0, 0]), torch.tensor([1, 0]))
        )
    for a, b in ((plain, first), (first, second)):
        assert all((x - y)[0].abs().max() > 1e-4 for x, y in zip(a, b, strict=True))
    assert all(torch.equal(x[1], y[1]) for x, y in zip(first, second, strict=True))


def test_the_first_velocities_are_zeros_and_branches_are_copies() -> None:
    torch.manual_seed(0)
    model = EchoMotionTransformer(SMALL)
    assert all(not velocity.any() for velocity in model(**inputs(), task_B=torch.tensor([0, 1])))
    for block in model.blocks:
        for name, parameter in block.motion.named_parameters():
            own = block.get_parameter(name)
            assert torch.equal(parameter, own) and parameter.data_ptr() != own.data_ptr()


def test_motion_tokens_know_which_they_are() -> None:
    torch.manual_seed(0)
    motion_in = EchoMotionTransformer(SMALL).motion_in
    tokens = motion_in(torch.zeros(1, 2, 235))[0]
    assert torch.allclose(tokens[:51], tokens[51:], atol=1e-6) and torch.pdist(tokens[:51]).min() > 0.1
    moved = torch.zeros(1, 2, 235)
    moved[0, 1, 3 * 24] = 1  # the last joint of the second frame: token 24 of 51
    changed = ((motion_in(moved)[0] - tokens).abs() > 1e-3).any(-1)
    assert changed.nonzero().flatten().tolist() == [51 + 24]


class Halves(SingleRank):
    """Two ranks played by one: what is cut is put together again, and attention sees what it should."""

    def __init__(self) -> None:
        self.seen: list[tuple] = []

    def scatter(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.cat(tokens.split((tokens.shape[1] + 1) // 2, 1)[::-1], 1)

    def gather(self, tokens: torch.Tensor, length: int) -> torch.Tensor:
        assert tokens.shape[1] == length
        return torch.cat(tokens.split([length // 2, length - length // 2], 1)[::-1], 1)

    def attend(self, queries, keys, values, lengths):
        self.seen.append(lengths)
        return super().attend(queries, keys, values, lengths)


def test_tokens_go_through_the_sharing() -> None:
    model, given = echo(), inputs()
    with torch.no_grad():
        whole = model(**given)
        sharing = Halves()
        model.set_sharing(sharing)
        shared = model(**given)
    assert sharing.seen == [(72, 459)] * 2
    for a, b in zip(whole, shared, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_blocks_support_activation_checkpointing() -> None:
    grads = []
    for again in (False, True):
        model = echo()
        if again:
            model.run_block = lambda block, *arguments: checkpoint(block, *arguments, use_reentrant=False)
        video, motion = model(**inputs(), task_B=torch.tensor([0, 1]))
        (video.square().sum() + motion.square().sum()).backward()
        grads.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert all(grad is not None and grad.any() for grad in grads[0].values())
    assert all(torch.equal(grads[0][name], grads[1][name]) for name in grads[0])


def test_a_block_compiles_in_one_piece() -> None:
    model, given = echo(), inputs()
    with torch.no_grad():
        plain = model(**given)
        for block in model.blocks:
            block.compile(backend="aot_eager", fullgraph=True)
        compiled = model(**given)
    for a, b in zip(plain, compiled, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_in_bfloat16_motion_comes_back_in_float32() -> None:
    model, given = echo(), inputs()
    with torch.no_grad():
        exact = model(**given)
        near = model.to(torch.bfloat16)(**given)
    assert near[0].dtype == torch.bfloat16 and near[1].dtype == torch.float32
    for a, b in zip(exact, near, strict=True):
        assert (a - b).abs().mean() < 0.03 * a.abs().mean()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"video_BCFHW": None}, "token grid"),
        ({"video_BCFHW": None, "motion_BTF": None, "grid_HW": GRID}, "no video"),
        ({"motion_BTF": torch.zeros(2, 8, 235)}, "8 frames of motion, 3 latents of video: expected 9"),
        ({"video_BCFHW": torch.zeros(2, 16, 3, 7, 12)}, "7x12: expected multiples of 2x2"),
        ({"grid_HW": (6, 4)}, r"token grid \(6, 4\)"),
    ],
)
def test_shapes_that_do_not_match_are_refused(changes: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        echo()(**{**inputs(), **changes})


def test_a_step_in_inference_mode_leaves_training_alone() -> None:
    model = echo()
    with torch.inference_mode():
        model(**inputs())
    model(**inputs())[1].sum().backward()
