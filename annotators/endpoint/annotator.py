"""The captioner that sends frames of a clip to a served vision-language model."""

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from annotators.captions.inputs import CaptionInput
from annotators.captions.models.answer import AnswerError, RefusalError, build_schema, parse_answer
from annotators.captions.models.answered import request_caption
from annotators.captions.models.narrated import NarratedCaption
from annotators.captions.models.question import prepare_frames, write_prompt
from annotators.endpoint.cache import AnswerCache
from annotators.endpoint.client import Client, EndpointError, Reply
from annotators.endpoint.config import EndpointConfig
from humove.errors import UserError

SETTING_NAMES = {
    "url": "caption.endpoint.server.url",
    "model": "caption.endpoint.model",
    "api_key_file": "caption.endpoint.server.api_key_file",
}
_JPEG_QUALITY = 90
_RETRY_TEMPERATURE = 0.7
"""Least temperature of a second try: at 0 a model repeats its answer."""


class EndpointCaptioner:
    """Captions of any model behind the OpenAI chat protocol (vLLM, SGLang, llama.cpp, a vendor's own).

    Source is "endpoint:MODEL". A clip that the model refuses to describe gets its measured caption.
    """

    name = "endpoint"
    version = "1"
    rights = "permissive"
    cpu_only = True
    weights: tuple[str, ...] = ()
    Settings = EndpointConfig
    required = ("server.url", "model")

    def __init__(self, settings: EndpointConfig) -> None:
        self.settings = settings
        self.licence = settings.licence or "that of the model served: see caption.endpoint.licence"
        self._client: Client | None = None
        self._cache = AnswerCache(Path(settings.server.cache).expanduser() if settings.server.cache else None)

    def load(self, device: str) -> None:
        """Check that the server responds and has the model; UserError otherwise. `device` is not used."""
        if not self.settings.model:
            raise UserError(f"{SETTING_NAMES['model']} is not set: name the model that the server has")
        cv2.setNumThreads(1)
        self._client = Client(self.settings.server, SETTING_NAMES)
        self._client.check(self.settings.model)

    def annotate(self, batch: Sequence[CaptionInput]) -> list[NarratedCaption]:
        """Write one caption for each clip, in order, with parallel requests.

        Raises EndpointError if the server gives no valid answer; earlier answers are in the cache.
        """
        if len(batch) == 1:
            return [self._write_caption(batch[0], self._build_request(batch[0]))]
        with ThreadPoolExecutor(self.settings.server.parallel) as pool:
            futures = [pool.submit(self._write_caption, clip, self._build_request(clip)) for clip in batch]
        return [future.result() for future in futures]

    def _write_caption(self, clip: CaptionInput, request: dict[str, Any]) -> NarratedCaption:
        source = f"endpoint:{self.settings.model}"
        cache_key = {**request, "revision": self.settings.revision}
        cached = self._cache.get(cache_key)
        if cached is not None and _is_usable(cached):
            return request_caption(lambda _: _get_text(cached), 1, clip, source)

        def request_answer(number: int) -> str:
            reply = self._client.chat(request if number == 0 else _vary_request(request, number))
            if _is_usable(reply):
                self._cache.put(cache_key, reply)
            return _get_text(reply)

        tries = self.settings.server.retries + 1
        try:
            return request_caption(request_answer, tries, clip, source)
        except AnswerError as e:
            raise EndpointError(f"{self.settings.model}: {tries} answers were invalid, the last one: {e}") from e

    def _build_request(self, clip: CaptionInput) -> dict[str, Any]:
        settings = self.settings
        shown = prepare_frames(clip, settings)
        content = [{"type": "image_url", "image_url": {"url": _encode_data_url(image)}} for image in shown]
        content.append({"type": "text", "text": write_prompt(clip, settings, len(shown))})
        request = {
            "model": settings.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": settings.temperature,
            "seed": 0,
            "max_tokens": settings.max_tokens,
        }
        return request | build_response_format(settings.structured, "caption", build_schema(category=settings.category))


def build_response_format(structured: str, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Build the part of a request that makes a server answer in JSON, by the schema `wanted` where it can."""
    if structured == "none":
        return {}
    if structured == "json_object":
        return {"response_format": {"type": "json_object"}}
    json_schema = {"name": name, "strict": True, "schema": wanted}
    return {"response_format": {"type": "json_schema", "json_schema": json_schema}}


def _encode_data_url(image: np.ndarray) -> str:
    """Encode (h, w, 3) uint8 RGB as a JPEG in a data: address."""
    encoded, jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not encoded:
        raise RuntimeError(f"an image of {image.shape} could not be encoded")
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _vary_request(request: dict[str, Any], number: int) -> dict[str, Any]:
    return {**request, "seed": number, "temperature": max(request["temperature"], _RETRY_TEMPERATURE)}


def _get_text(reply: Reply) -> str:
    """Return the reply's text; raise RefusalError or AnswerError if the protocol reports a refusal or a cut-off."""
    if reply.refused:
        raise RefusalError(reply.text)
    if not reply.complete:
        raise AnswerError("the answer was cut off at max_tokens; raise caption.endpoint.max_tokens")
    return reply.text


def _is_usable(reply: Reply) -> bool:
    try:
        parse_answer(_get_text(reply))
    except AnswerError:
        return False
    except RefusalError:
        return True
    return True
