"""A vision-language model on a device: frames and prompts in, texts out."""

import numpy as np

from annotators.network import Columns, make_ragged_column, make_text_column, read_texts
from annotators.vlm.config import VlmConfig
from annotators.vlm.model import LocalVlm, Question, VlmAnswer

SETTING = "caption.vlm.weights"


class VlmNetwork:
    """A vision-language model on rows of questions.

    In: a ragged column of frames (F, h, w, 3) uint8 RGB, one of prompts, and seeds (B,) int64, 0 for greedy decoding.
    Out: a ragged column of texts, and (B,) bool: complete, or cut off.
    """

    def __init__(self, settings: VlmConfig) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size

    def load(self, device: str) -> None:
        """Load the model; UserError if its folder is missing, has another sha256, or has no model."""
        folder = self.settings.weights.resolve_folder(SETTING)
        self.vlm = LocalVlm(folder, SETTING, device=device, half=self.settings.half)

    def constants(self) -> dict[str, np.ndarray]:
        return {}

    def run(self, inputs: Columns) -> Columns:
        questions, seeds = _read_questions(inputs)
        answers: list[VlmAnswer | None] = [None] * len(questions)
        greedy = [row for row, seed in enumerate(seeds) if seed == 0]
        if greedy:
            greedy_answers = self.vlm.answer([questions[row] for row in greedy], self.settings.max_tokens)
            for row, answer in zip(greedy, greedy_answers, strict=True):
                answers[row] = answer
        for row, seed in enumerate(seeds):
            if seed:  # each sampled alone, with its own seed
                (answers[row],) = self.vlm.answer([questions[row]], self.settings.max_tokens, seed=seed)
        return make_text_column([each.text for each in answers]), np.array([each.complete for each in answers])


def pack_questions(questions: list[Question], seed: int = 0) -> Columns:
    """Pack questions as the network's input. The frames of a question have one size."""
    frames = make_ragged_column([np.stack(question.frames) for question in questions])
    seeds = np.full(len(questions), seed, np.int64)
    return frames, make_text_column([question.prompt for question in questions]), seeds


def read_answers(outputs: Columns) -> list[VlmAnswer]:
    """Read the answers in the network's output, one a question."""
    texts, complete = outputs
    rows = zip(read_texts(texts), complete, strict=True)
    return [VlmAnswer(text=text, complete=bool(ended)) for text, ended in rows]


def _read_questions(inputs: Columns) -> tuple[list[Question], list[int]]:
    frames, prompts, seeds = inputs
    texts = read_texts(prompts)
    return [Question(frames=list(f), prompt=t) for f, t in zip(frames, texts, strict=True)], seeds.tolist()
