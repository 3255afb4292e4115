"""The program of two gloo processes in the tests, started by torchrun: `ranks.py OUT`."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from echomotion_model.train.parallel.config import ParallelConfig
from echomotion_model.train.parallel.processes import Processes, join_process_group
from humove.errors import UserError
from tests.echomotion_model.model.small import echo
from tests.echomotion_model.train.parallel.steps import CONFIG, PHASES, SETTINGS, compute_loss, run, run_phases

CPU = torch.device("cpu")


def main(out: Path) -> None:
    torch.set_num_threads(1)
    with join_process_group(CPU):
        for name, settings in (SETTINGS | PHASES).items():
            context = Processes(ParallelConfig(**settings), CPU)
            found = run_phases(context) if name in PHASES else run(context)
            if context.main:
                save_file({key: value.contiguous() for key, value in found.items()}, out / f"{name}.safetensors")
        facts = collect_facts()
        if context.main:
            (out / "facts.json").write_text(json.dumps(facts))


def collect_facts() -> dict:
    """Collect facts that only exist in a process group."""
    context = Processes(ParallelConfig(precision="bfloat16"), CPU)
    facts = {
        "rank_size": [context.rank, context.size],
        "sum": context.sum_over_ranks(torch.tensor([context.rank + 1.0])).tolist(),
        "any": [context.any_process(False), context.any_process(not context.main)],
    }
    pair = Processes(ParallelConfig(ulysses_degree=2), CPU)
    facts |= {
        "pair": [pair.rank, pair.size, pair.devices],
        "pair_sum": pair.sum_over_ranks(torch.tensor([3.0])).tolist(),
    }
    model, types = context.wrap_model(echo(CONFIG), 1), {}
    for block in model.blocks:
        block.attn1.to_q.register_forward_hook(lambda module, *_: types.update(to_q=str(module.weight.dtype)))
        block.norm2.register_forward_hook(lambda module, *_: types.update(norm2=str(module.weight.dtype)))
        original = block.compute_modulation

        def modulation(time: torch.Tensor, block: torch.nn.Module = block, original=original) -> tuple:
            types.update(table=str(block.scale_shift_table.dtype), modulation=str(original(time)[0].dtype))
            return original(time)

        block.compute_modulation = modulation
    embedder = model.condition_embedder.time_embedder
    embedder.register_forward_hook(lambda module, _, out: types.update(time=str(out.dtype)))
    compute_loss(model, 0)
    facts["types"] = types
    facts["parts"] = [
        list(each.to_local().shape) for each in (model.blocks[0].scale_shift_table, model.proj_out.weight)
    ]
    facts["refused"] = []
    for wrong in ({"ulysses_degree": 3}, {"ulysses_degree": 2}):
        try:
            model = echo(CONFIG.model_copy(update={"heads": 3, "head_dim": 24}))
            Processes(ParallelConfig(**wrong), CPU).wrap_model(model, 1)
        except UserError as error:
            facts["refused"].append(str(error))
    return facts


if __name__ == "__main__":
    main(Path(sys.argv[1]))
