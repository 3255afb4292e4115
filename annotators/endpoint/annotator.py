"""The captioner that asks a served vision-language model: some frames of a clip, one structured answer."""

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from annotators.captions.answer import AnswerError, Refused, parse, schema
from annotators.captions.answered import answered
from annotators.captions.inputs import CaptionInput
from annotators.captions.narrated import NarratedCaption
from annotators.captions.question import pictures, prompt
from annotators.endpoint.cache import AnswerCache
from annotators.endpoint.client import Client, EndpointError, Reply
from annotators.endpoint.config import EndpointConfig
from humove.errors import UserError

CALLED = {
    "url": "caption.endpoint.server.url",
    "model": "caption.endpoint.model",
    "api_key_file": "caption.endpoint.server.api_key_file",
}
_JPEG_QUALITY = 90
_WARMER = 0.7
"""Temperature of a second try: at 0 a model gives the same bad answer again."""


class EndpointCaptioner:
    """Captions of any model behind the OpenAI chat protocol (vLLM, SGLang, llama.cpp, a vendor's own).

    Source is "endpoint:MODEL". A clip that the model declines keeps its measured caption.
    """

    name = "endpoint"
    version = "1"
    rights = "permissive"
    cpu_only = True
    required = ("server.url", "model")
    weights: tuple[str, ...] = ()
    Settings = EndpointConfig
    required = ("server.url", "model")

    def __init__(self, settings: EndpointConfig) -> None:
        self.settings = settings
        self.licence = settings.licence or "that of the model served: see caption.endpoint.licence"
        self._client: Client | None = None
        self._cache = AnswerCache(Path(settings.server.cache).expanduser() if settings.server.cache else None)

    def load(self, device: str) -> None:
        """Sees that the server is there and has the model; UserError otherwise. The model runs there: no `device`."""
        if not self.settings.model:
            raise UserError(f"{CALLED['model']} is not set: name the model that the server has")
        cv2.setNumThreads(1)
        self._client = Client(self.settings.server, CALLED)
        self._client.check(self.settings.model)

    def annotate(self, batch: Sequence[CaptionInput]) -> list[NarratedCaption]:
        """One caption for each clip, in order, several asked for at a time.

        Raises EndpointError where the server gives no good answer; what was answered by then is in the cache.
        """
        if len(batch) == 1:
            return [self._caption(batch[0], self._request(batch[0]))]
        with ThreadPoolExecutor(self.settings.server.parallel) as pool:
            asked = [pool.submit(self._caption, clip, self._request(clip)) for clip in batch]
        return [each.result() for each in asked]

    def _caption(self, clip: CaptionInput, request: dict[str, Any]) -> NarratedCaption:
        source = f"endpoint:{self.settings.model}"
        named = {**request, "revision": self.settings.revision}
        kept = self._cache.get(named)
        if kept is not None and _good(kept):
            return answered(lambda _: _text(kept), 1, clip, source)

        def ask(number: int) -> str:
            reply = self._client.chat(request if number == 0 else _warmer(request, number))
            if _good(reply):
                self._cache.put(named, reply)
            return _text(reply)

        tries = self.settings.server.retries + 1
        try:
            return answered(ask, tries, clip, source)
        except AnswerError as e:
            raise EndpointError(f"{self.settings.model}: {tries} answers were no good, the last one: {e}") from e

    def _request(self, clip: CaptionInput) -> dict[str, Any]:
        settings = self.settings
        shown = pictures(clip, settings)
        content = [{"type": "image_url", "image_url": {"url": _data_url(image)}} for image in shown]
        content.append({"type": "text", "text": prompt(clip, settings, len(shown))})
        request = {
            "model": settings.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": settings.temperature,
            "seed": 0,
            "max_tokens": settings.max_tokens,
        }
        return request | response_format(settings.structured, "caption", schema(category=settings.category))


def response_format(structured: str, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """The part of a request that holds a server to a JSON schema, as far as it can be held."""
    if structured == "none":
        return {}
    if structured == "json_object":
        return {"response_format": {"type": "json_object"}}
    told = {"name": name, "strict": True, "schema": wanted}
    return {"response_format": {"type": "json_schema", "json_schema": told}}


def _data_url(image: np.ndarray) -> str:
    """(h, w, 3) uint8 RGB as a JPEG in a data: address."""
    done, jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise RuntimeError(f"a picture of {image.shape} could not be encoded")
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _warmer(request: dict[str, Any], number: int) -> dict[str, Any]:
    return {**request, "seed": number, "temperature": max(request["temperature"], _WARMER)}


def _text(reply: Reply) -> str:
    """The reply's text; raises what `parse` would where the protocol says already that it is none."""
    if reply.refused:
        raise Refused(reply.text)
    if not reply.whole:
        raise AnswerError("it was cut off at max_tokens; raise caption.endpoint.max_tokens")
    return reply.text


def _good(reply: Reply) -> bool:
    try:
        parse(_text(reply))
    except AnswerError:
        return False
    except Refused:
        return True
    return True
