"""What two gloo processes do in the tests; torchrun starts it: `ranks.py OUT`."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from echomotion_model.train.parallel.config import ParallelConfig
from echomotion_model.train.parallel.processes import Processes, process_group
from humove.errors import UserError
from tests.echomotion_model.model.small import echo
from tests.echomotion_model.train.parallel.steps import CONFIG, PHASES, SETTINGS, loss_of, run, run_phases

CPU = torch.device("cpu")


def main(out: Path) -> None:
    torch.set_num_threads(1)
    with process_group(CPU):
        for name, settings in (SETTINGS | PHASES).items():
            world = Processes(ParallelConfig(**settings), CPU)
            found = run_phases(world) if name in PHASES else run(world)
            if world.main:
                save_file({key: value.contiguous() for key, value in found.items()}, out / f"{name}.safetensors")
        said = facts()
        if world.main:
            (out / "facts.json").write_text(json.dumps(said))


def facts() -> dict:
    """What can only be asked of a process in a group."""
    world = Processes(ParallelConfig(precision="bfloat16"), CPU)
    said = {
        "rank_size": [world.rank, world.size],
        "sum": world.sum(torch.tensor([world.rank + 1.0])).tolist(),
        "any": [world.any(False), world.any(not world.main)],
    }
    pair = Processes(ParallelConfig(sequence=2), CPU)
    said |= {"pair": [pair.rank, pair.size, pair.devices], "pair_sum": pair.sum(torch.tensor([3.0])).tolist()}
    model, seen = world.wrap(echo(CONFIG), 1), {}
    for block in model.blocks:
        block.attn1.to_q.register_forward_hook(lambda module, *_: seen.update(to_q=str(module.weight.dtype)))
        block.norm2.register_forward_hook(lambda module, *_: seen.update(norm2=str(module.weight.dtype)))
        original = block.modulation

        def modulation(time: torch.Tensor, block: torch.nn.Module = block, original=original) -> tuple:
            seen.update(table=str(block.scale_shift_table.dtype), modulation=str(original(time)[0].dtype))
            return original(time)

        block.modulation = modulation
    embedder = model.condition_embedder.time_embedder
    embedder.register_forward_hook(lambda module, _, out: seen.update(time=str(out.dtype)))
    loss_of(model, 0)
    said["types"] = seen
    said["parts"] = [list(each.to_local().shape) for each in (model.blocks[0].scale_shift_table, model.proj_out.weight)]
    said["refused"] = []
    for wrong in ({"sequence": 3}, {"sequence": 2}):
        try:
            model = echo(CONFIG.model_copy(update={"heads": 3, "head_dim": 24}))
            Processes(ParallelConfig(**wrong), CPU).wrap(model, 1)
        except UserError as error:
            said["refused"].append(str(error))
    return said


if __name__ == "__main__":
    main(Path(sys.argv[1]))
