"""A patient client of the OpenAI chat protocol: what can pass is tried again, what can't is said in one line."""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from annotators.endpoint.config import ServerConfig
from annotators.endpoint.http import NoAnswer, Response, exchange
from annotators.endpoint.pace import Pace
from humove.errors import UserError

_AGAIN = frozenset({408, 409, 425, 429})


class EndpointError(RuntimeError):
    """The server did not answer as it should, in as many tries as it was given: a fault, not a matter of the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model answered."""

    text: str
    whole: bool
    """False where the answer was cut off at max_tokens."""
    refused: bool
    """The server says itself that the model, or its filter, declined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A try that failed but may be repeated."""

    why: str
    wait_s: float | None = None
    """How long the server asks to wait, where it does."""


class Client:
    """One server. Safe to use from several threads.

    `called` is how the user names "url", "model" and "api_key_file": errors speak of them.
    """

    def __init__(
        self, server: ServerConfig, called: Mapping[str, str], *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        if not server.url:
            raise UserError(f"{called['url']} is not set: name the server, as in http://HOST:8000/v1")
        self.server = server
        self.called = called
        self._key = _key(server.api_key_file, called["api_key_file"])
        self._sleep = sleep
        file = Path(server.cache).expanduser() / "pace" if server.cache else None
        self._pace = Pace(server.requests_per_minute, file)

    def check(self, model: str) -> None:
        """Asks which models the server has; UserError where it can't be reached, or has no `model`.

        A server that does not list its models is taken at its word.
        """
        response = self._patiently("/models", None)
        if response.status != 200:
            return
        try:
            served = [str(row["id"]) for row in json.loads(response.body)["data"]]
        except (ValueError, TypeError, KeyError):
            return
        if served and model not in served:
            raise UserError(
                f"{self.called['model']}: {self.server.url} has no {model!r}; it has: {', '.join(served[:8])}"
            )

    def chat(self, request: dict[str, Any]) -> Reply:
        """The first choice of a chat completion. EndpointError, or UserError where only the user can mend it."""
        return self._patiently("/chat/completions", request)

    def _patiently(self, path: str, request: dict[str, Any] | None) -> Any:
        """Up to `retries` further tries, each after twice the wait. GET gives the Response, POST the Reply."""
        tries = self.server.retries + 1
        for number in range(tries):
            self._pace.wait()
            outcome = self._try(path, request)
            if not isinstance(outcome, _Failure):
                return outcome
            if number + 1 < tries:
                self._sleep(self._wait(number, outcome.wait_s))
        where = f"{self.server.url}{path}"
        if request is None:
            raise UserError(f"{self.called['url']}: {where}: {outcome.why}; is the server up, and the address right?")
        raise EndpointError(f"{where}: {tries} tries failed, the last one: {outcome.why}")

    def _wait(self, number: int, asked_s: float | None) -> float:
        """Half to all of the doubled wait, so that workers do not come back all at once; never under what is asked."""
        wait = self.server.backoff_s * 2 ** min(number, 32) * (0.5 + random.random() / 2)
        return min(max(wait, asked_s or 0.0), self.server.max_wait_s)

    def _try(self, path: str, request: dict[str, Any] | None) -> Any:
        try:
            response = exchange(self.server.url + path, timeout_s=self.server.timeout_s, key=self._key, body=request)
        except NoAnswer as e:
            return _Failure(why=str(e))
        status = response.status
        if status in _AGAIN or status >= 500:
            return _Failure(why=f"{status}: {self._said(response)}", wait_s=_retry_after(response))
        if 300 <= status < 400:
            there = response.headers.get("location", "elsewhere")
            raise UserError(
                f"{self.called['url']}: {self.server.url} sends on to {there[:200]!r}; name that one itself"
            )
        if status in (401, 403):
            raise UserError(
                f"{self.called['api_key_file']}: {self.server.url} answers {status}: {self._said(response)}"
            )
        if request is None:
            return response
        if status == 404:
            raise UserError(
                f"{self.called['url']}: {self.server.url}{path} answers 404: {self._said(response)}; mend the address, "
                "which ends in /v1 as a rule, or the model's name"
            )
        if status != 200:
            raise EndpointError(f"{self.server.url}{path}: {status}: {self._said(response)}")
        return _reply(response) or _Failure(why=f"not a chat completion: {self._said(response)!r}")

    def _said(self, response: Response) -> str:
        said = _said(response)
        return said.replace(self._key, "...") if self._key else said


def _reply(response: Response) -> Reply | None:
    """The first choice; None where it is no chat completion."""
    try:
        choice = json.loads(response.body)["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text, declined = message.get("content") or "", message.get("refusal")
        if isinstance(text, list):  # parts
            text = "".join(part.get("text", "") for part in text)
        return Reply(
            text=str(declined or text), whole=reason != "length", refused=bool(declined) or reason == "content_filter"
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        return _Failure(why=f"not a chat completion: {_said(response)!r}")


def _said(response: Response) -> str:
    """The server's own words, in one short line."""
    text = response.body[:2000].decode("utf-8", "replace")
    try:
        error = json.loads(response.body)["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, TypeError, KeyError):
        pass
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line[:200] or "no reason given"


def _retry_after(response: Response) -> float | None:
    """Seconds, from a number or a date; None where the server says neither."""
    said = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _key(file: str, called: str) -> str:
    if not file:
        return ""
    try:
        key = Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as e:
        raise UserError(f"{called}: {file} can't be read: {getattr(e, 'strerror', None) or e}") from e
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(f"{called}: {file} holds no key; a key is one word on one line")
    return key
