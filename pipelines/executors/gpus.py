"""GPUs: how many there are, how many workers they hold, and one line where there is none."""

from humove.errors import UserError


def workers_on(gpus: float, share: float) -> int:
    """Workers that whole GPUs hold, each worker with `share` of one."""
    return int(gpus) * int(1 / share + 1e-9)


def gpus_here() -> int:
    """The GPUs of this machine that torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def require_gpus(there: float, where: str) -> None:
    """UserError where there is none."""
    if there < 1:
        raise UserError(
            f"work was to be done on a GPU, and {where} has none that torch can use: do it where there is one, or on "
            "the CPU (of a build: SET execution.gpus={}; of humove latents: --gpus 0)"
        )
