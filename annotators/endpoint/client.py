"""A client of the OpenAI chat protocol that retries temporary failures and reports others in one line."""

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
from annotators.endpoint.http import NoResponse, Response, send_request
from annotators.endpoint.pace import RateLimiter
from humove.errors import UserError

_RETRIED = frozenset({408, 409, 425, 429})


class EndpointError(RuntimeError):
    """The server gave no valid answer in the allowed tries: a fault of the environment, not of the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A model's answer."""

    text: str
    complete: bool
    """False if the answer was cut off at max_tokens."""
    refused: bool
    """The server reports that the model, or its filter, refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A failed try that may be repeated."""

    reason: str
    wait_s: float | None = None
    """The wait that the server requests, if any."""


class Client:
    """A client of one server. Safe to use from several threads.

    `setting_names` are the user's names for "url", "model" and "api_key_file" in errors.
    """

    def __init__(
        self, server: ServerConfig, setting_names: Mapping[str, str], *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        if not server.url:
            raise UserError(f"{setting_names['url']} is not set: name the server, as in http://HOST:8000/v1")
        self.server = server
        self._names = setting_names
        self._key = _read_key(server.api_key_file, setting_names["api_key_file"])
        self._sleep = sleep
        file = Path(server.cache).expanduser() / "pace" if server.cache else None
        self._rate_limiter = RateLimiter(server.requests_per_minute, file)

    def check(self, model: str) -> None:
        """Check that the server is reachable and has `model`; UserError otherwise.

        A server that does not list its models passes.
        """
        response = self._send_with_retries("/models", None)
        if response.status != 200:
            return
        try:
            served = [str(row["id"]) for row in json.loads(response.body)["data"]]
        except (ValueError, TypeError, KeyError):
            return
        if served and model not in served:
            raise UserError(
                f"{self._names['model']}: {self.server.url} has no {model!r}; it has: {', '.join(served[:8])}"
            )

    def chat(self, request: dict[str, Any]) -> Reply:
        """Return the first choice of a chat completion. EndpointError, or UserError if only the user can mend it."""
        return self._send_with_retries("/chat/completions", request)

    def _send_with_retries(self, path: str, request: dict[str, Any] | None) -> Any:
        """Send a request with up to `retries` retries and exponential waits. GET returns a Response, POST a Reply."""
        tries = self.server.retries + 1
        for number in range(tries):
            self._rate_limiter.wait()
            outcome = self._send_once(path, request)
            if not isinstance(outcome, _Failure):
                return outcome
            if number + 1 < tries:
                self._sleep(self._compute_wait(number, outcome.wait_s))
        where = f"{self.server.url}{path}"
        if request is None:
            raise UserError(
                f"{self._names['url']}: {where}: {outcome.reason}; is the server up, and the address right?"
            )
        raise EndpointError(f"{where}: {tries} tries failed, the last one: {outcome.reason}")

    def _compute_wait(self, number: int, requested_s: float | None) -> float:
        """Compute the wait before a retry: exponential, with jitter of up to half, and at least `requested_s`."""
        wait = self.server.backoff_s * 2 ** min(number, 32) * (0.5 + random.random() / 2)
        return min(max(wait, requested_s or 0.0), self.server.max_wait_s)

    def _send_once(self, path: str, request: dict[str, Any] | None) -> Any:
        try:
            response = send_request(
                self.server.url + path, timeout_s=self.server.timeout_s, key=self._key, body=request
            )
        except NoResponse as e:
            return _Failure(reason=str(e))
        status = response.status
        if status in _RETRIED or status >= 500:
            return _Failure(reason=f"{status}: {self._get_reason(response)}", wait_s=_parse_retry_after(response))
        if 300 <= status < 400:
            target = response.headers.get("location", "elsewhere")
            raise UserError(f"{self._names['url']}: {self.server.url} redirects to {target[:200]!r}; set that address")
        if status in (401, 403):
            raise UserError(
                f"{self._names['api_key_file']}: {self.server.url} answers {status}: {self._get_reason(response)}"
            )
        if request is None:
            return response
        if status == 404:
            raise UserError(
                f"{self._names['url']}: {self.server.url}{path} answers 404: {self._get_reason(response)}; correct the "
                "address, which usually ends in /v1, or the model's name"
            )
        if status != 200:
            raise EndpointError(f"{self.server.url}{path}: {status}: {self._get_reason(response)}")
        return _parse_reply(response) or _Failure(reason=f"not a chat completion: {self._get_reason(response)!r}")

    def _get_reason(self, response: Response) -> str:
        reason = _format_reason(response)
        return reason.replace(self._key, "...") if self._key else reason


def _parse_reply(response: Response) -> Reply | None:
    """Parse the first choice; None if the body is no chat completion."""
    try:
        choice = json.loads(response.body)["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text, refusal = message.get("content") or "", message.get("refusal")
        if isinstance(text, list):  # parts
            text = "".join(part.get("text", "") for part in text)
        return Reply(
            text=str(refusal or text), complete=reason != "length", refused=bool(refusal) or reason == "content_filter"
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        return None


def _format_reason(response: Response) -> str:
    """Format the server's error message as one short line."""
    text = response.body[:2000].decode("utf-8", "replace")
    try:
        error = json.loads(response.body)["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, TypeError, KeyError):
        pass
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line[:200] or "no reason given"


def _parse_retry_after(response: Response) -> float | None:
    """Parse the Retry-After header as seconds, from a number or a date; None without either."""
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _read_key(file: str, setting: str) -> str:
    if not file:
        return ""
    try:
        key = Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as e:
        raise UserError(f"{setting}: {file} can't be read: {getattr(e, 'strerror', None) or e}") from e
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(f"{setting}: {file} holds no key; a key is one word on one line")
    return key
