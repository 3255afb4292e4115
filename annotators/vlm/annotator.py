"""The captioner that runs a vision-language model itself."""

from collections.abc import Sequence

import cv2

from annotators.batches import in_batches
from annotators.captions.answer import AnswerError
from annotators.captions.answered import answered
from annotators.captions.inputs import CaptionInput
from annotators.captions.narrated import NarratedCaption
from annotators.captions.question import pictures, prompt
from annotators.network import Network, load_network
from annotators.vlm.config import VlmConfig
from annotators.vlm.model import Question, Said
from annotators.vlm.network import SETTING, VlmNetwork, read_answers, to_columns


class VlmCaptioner:
    """Captions of a local transformers model. Source is "vlm:FOLDER"; what it declines keeps its measured caption."""

    name = "vlm"
    version = "1"
    rights = "permissive"
    cpu_only = False
    weights: tuple[str, ...] = ()
    Settings = VlmConfig

    def __init__(self, settings: VlmConfig) -> None:
        self.settings = settings
        self.licence = settings.licence or "that of the user's model: see caption.vlm.licence"
        self.network: Network = VlmNetwork(settings)
        self._source = "vlm"

    def load(self, device: str, network: Network | None = None) -> None:
        """Reads the model; UserError where the folder is missing, another, or holds none."""
        cv2.setNumThreads(1)
        self._source = f"vlm:{self.settings.weights.folder(SETTING).name}"
        self.network = load_network(self.network, device, network)

    def annotate(self, batch: Sequence[CaptionInput]) -> list[NarratedCaption]:
        """One caption for each clip, in order. Raises AnswerError where the model gives no JSON in `tries` tries."""
        settings = self.settings
        questions = []
        for clip in batch:
            shown = pictures(clip, settings)
            questions.append(Question(pictures=shown, prompt=prompt(clip, settings, len(shown))))
        first = in_batches(questions, self._say, settings.batch_size)

        def ask(place: int, number: int) -> str:
            if number == 0:
                return _whole(first[place])
            (said,) = self._say([questions[place]], number)
            return _whole(said)

        return [
            answered(lambda number, place=place: ask(place, number), settings.tries, clip, self._source)
            for place, clip in enumerate(batch)
        ]

    def _say(self, questions: Sequence[Question], seed: int = 0) -> list[Said]:
        """The likeliest answers; with a seed above 0 drawn ones."""
        return read_answers(self.network.run(to_columns(list(questions), seed)))


def _whole(said: Said) -> str:
    if not said.whole:
        raise AnswerError("it was cut off; raise caption.vlm.max_tokens")
    return said.text
