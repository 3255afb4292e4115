"""GPUs: how many there are, how many workers they hold, and which worker uses which."""

from collections import Counter

from humove.errors import UserError

_ROUNDING = 1e-9


def workers_on(gpus: float, share: float) -> int:
    """Return how many workers whole GPUs hold, each worker with `share` of one."""
    return int(gpus) * int(1 / share + _ROUNDING)


def gpus_here() -> int:
    """Return the number of GPUs of this machine that torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def require_gpus(there: float, where: str) -> None:
    """Raise UserError where there is none."""
    if there < 1:
        raise UserError(
            f"work was to be done on a GPU, and {where} has none that torch can use: do it where there is one, or on "
            "the CPU (of a build: SET execution.gpus={}; of humove latents: --gpus 0)"
        )


class GpuShares:
    """The shares of this machine's GPUs that stages hold.

    A worker process is tied to one GPU from its first task of a GPU stage on, since CUDA can't change it later. Of a
    stage, at most as many workers load it as one GPU holds shares, whether they are busy or not: a loaded model keeps
    its memory.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self._busy = dict.fromkeys(names, 0.0)
        self._loaded: Counter[tuple[str, str]] = Counter()

    def has_room(self, gpu: str, stage: str, share: float, *, loaded: bool) -> bool:
        """Whether one more task fits, in a worker that has loaded the stage or not."""
        fits = self._busy[gpu] + share <= 1 + _ROUNDING
        return fits and (loaded or self._loaded[gpu, stage] < workers_on(1, share))

    def choose(self, stage: str, share: float) -> str | None:
        """Return the GPU with the fewest workers of the stage that has room for one more, for a worker without one."""
        free = [g for g in self.names if self.has_room(g, stage, share, loaded=False)]
        return min(free, key=lambda g: (self._loaded[g, stage], self.names.index(g)), default=None)

    def count_free(self, stage: str, share: float) -> int:
        """Return how many more workers can load the stage."""
        return sum(max(0, workers_on(1, share) - self._loaded[g, stage]) for g in self.names)

    def load(self, gpu: str, stage: str) -> None:
        self._loaded[gpu, stage] += 1

    def unload(self, gpu: str, stage: str) -> None:
        self._loaded[gpu, stage] -= 1

    def occupy(self, gpu: str, share: float) -> None:
        self._busy[gpu] += share

    def release(self, gpu: str, share: float) -> None:
        self._busy[gpu] = max(0.0, self._busy[gpu] - share)
