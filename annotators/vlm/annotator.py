"""The captioner with a local vision-language model."""

from collections.abc import Sequence

import cv2

from annotators.batches import run_in_batches
from annotators.captions.inputs import CaptionInput
from annotators.captions.models.answer import AnswerError
from annotators.captions.models.answered import request_caption
from annotators.captions.models.narrated import NarratedCaption
from annotators.captions.models.question import prepare_frames, write_prompt
from annotators.network import Network, load_network
from annotators.vlm.config import VlmConfig
from annotators.vlm.model import Question, VlmAnswer
from annotators.vlm.network import SETTING, VlmNetwork, pack_questions, read_answers


class VlmCaptioner:
    """Captions of a local transformers model. Source is "vlm:FOLDER"; refused clips get their measured caption."""

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
        """Load the model; UserError if its folder is missing, has another sha256, or has no model."""
        cv2.setNumThreads(1)
        self._source = f"vlm:{self.settings.weights.resolve_folder(SETTING).name}"
        self.network = load_network(self.network, device, network)

    def annotate(self, batch: Sequence[CaptionInput]) -> list[NarratedCaption]:
        """Write one caption for each clip, in order. AnswerError if the model gives no JSON in `tries` tries."""
        settings = self.settings
        questions = []
        for clip in batch:
            shown = prepare_frames(clip, settings)
            questions.append(Question(frames=shown, prompt=write_prompt(clip, settings, len(shown))))
        first = run_in_batches(questions, self._answer_questions, settings.batch_size)

        def request_answer(index: int, number: int) -> str:
            if number == 0:
                return _get_text(first[index])
            (answer,) = self._answer_questions([questions[index]], number)
            return _get_text(answer)

        return [
            request_caption(
                lambda number, index=index: request_answer(index, number), settings.tries, clip, self._source
            )
            for index, clip in enumerate(batch)
        ]

    def _answer_questions(self, questions: Sequence[Question], seed: int = 0) -> list[VlmAnswer]:
        """Answer questions, greedily or, with a seed above 0, by sampling."""
        return read_answers(self.network.run(pack_questions(list(questions), seed)))


def _get_text(answer: VlmAnswer) -> str:
    if not answer.complete:
        raise AnswerError("the answer was cut off; raise caption.vlm.max_tokens")
    return answer.text
