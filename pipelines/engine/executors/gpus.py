"""GPUs: their number, the workers that they hold, and which worker uses which."""

from collections import Counter

from humove.errors import UserError

_ROUNDING = 1e-9


def count_gpu_workers(gpus: float, share: float) -> int:
    """Return the number of workers that whole GPUs hold, each worker with `share` of one."""
    return int(gpus) * int(1 / share + _ROUNDING)


def count_local_gpus() -> int:
    """Return the number of GPUs of this machine that torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def require_gpus(count: float, where: str) -> None:
    """Raise UserError where `count` is below 1; `where` names the machine or cluster."""
    if count < 1:
        raise UserError(
            f"this work needs a GPU, and {where} has none that torch can use: run it on a machine with a GPU, or on "
            "the CPU (of a build: SET execution.gpus={}; of humove latents: --gpus 0)"
        )


class GpuShares:
    """The shares of this machine's GPUs that stages hold.

    A worker process is tied to one GPU from its first task of a GPU stage on, since CUDA can't change it later. A GPU
    has at most as many workers with a stage loaded as it holds shares of it, busy or idle: a loaded model keeps its
    memory.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self._busy = dict.fromkeys(names, 0.0)
        self._loaded: Counter[tuple[str, str]] = Counter()

    def has_room(self, gpu: str, stage: str, share: float, *, loaded: bool) -> bool:
        """Whether one more task fits, in a worker that has loaded the stage or not."""
        fits = self._busy[gpu] + share <= 1 + _ROUNDING
        return fits and (loaded or self._loaded[gpu, stage] < count_gpu_workers(1, share))

    def choose_gpu(self, stage: str, share: float) -> str | None:
        """Return the GPU with the fewest workers of the stage that has room for one more, for a worker without one."""
        free = [g for g in self.names if self.has_room(g, stage, share, loaded=False)]
        return min(free, key=lambda g: (self._loaded[g, stage], self.names.index(g)), default=None)

    def count_free(self, stage: str, share: float) -> int:
        """Return how many more workers can load the stage."""
        return sum(max(0, count_gpu_workers(1, share) - self._loaded[g, stage]) for g in self.names)

    def note_load(self, gpu: str, stage: str) -> None:
        self._loaded[gpu, stage] += 1

    def note_unload(self, gpu: str, stage: str) -> None:
        self._loaded[gpu, stage] -= 1

    def occupy_share(self, gpu: str, share: float) -> None:
        self._busy[gpu] += share

    def release_share(self, gpu: str, share: float) -> None:
        self._busy[gpu] = max(0.0, self._busy[gpu] - share)
