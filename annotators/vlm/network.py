"""A vision-language model on a device: pictures and prompts in, texts out."""

import numpy as np

from annotators.network import Columns, ragged, read_texts, text_column
from annotators.vlm.config import VlmConfig
from annotators.vlm.model import LocalVlm, Question, Said

SETTING = "caption.vlm.weights"


class VlmNetwork:
    """In, a row a question: a ragged column of pictures (F, h, w, 3) uint8 RGB, one of prompts, and seeds (B,) int64,
    0 for the likeliest answer. Out: a ragged column of texts, and (B,) bool: whole, or cut off."""

    def __init__(self, settings: VlmConfig) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size

    def load(self, device: str) -> None:
        """Reads the model; UserError where the folder is missing, another, or holds none."""
        folder = self.settings.weights.folder(SETTING)
        self.vlm = LocalVlm(folder, SETTING, device=device, half=self.settings.half)

    def constants(self) -> dict[str, np.ndarray]:
        return {}

    def run(self, inputs: Columns) -> Columns:
        questions, seeds = _read_questions(inputs)
        said: list[Said | None] = [None] * len(questions)
        likeliest = [row for row, seed in enumerate(seeds) if seed == 0]
        if likeliest:
            answers = self.vlm.say([questions[row] for row in likeliest], self.settings.max_tokens)
            for row, answer in zip(likeliest, answers, strict=True):
                said[row] = answer
        for row, seed in enumerate(seeds):
            if seed:  # drawn by its own seed, so alone
                (said[row],) = self.vlm.say([questions[row]], self.settings.max_tokens, warm=seed)
        return text_column([each.text for each in said]), np.array([each.whole for each in said])


def to_columns(questions: list[Question], seed: int = 0) -> Columns:
    """The questions as the network takes them. A question's pictures are all of one size."""
    pictures = ragged([np.stack(question.pictures) for question in questions])
    seeds = np.full(len(questions), seed, np.int64)
    return pictures, text_column([question.prompt for question in questions]), seeds


def read_answers(outputs: Columns) -> list[Said]:
    """What the network said, a row a question."""
    texts, whole = outputs
    return [Said(text=text, whole=bool(ended)) for text, ended in zip(read_texts(texts), whole, strict=True)]


def _read_questions(inputs: Columns) -> tuple[list[Question], list[int]]:
    pictures, prompts, seeds = inputs
    texts = read_texts(prompts)
    return [Question(pictures=list(p), prompt=t) for p, t in zip(pictures, texts, strict=True)], seeds.tolist()
