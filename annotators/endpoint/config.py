"""What a user sets about an endpoint: where it is, how patiently it is asked, and what."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from annotators.captions.request import RequestConfig
from humove.config import Strict, execution_field


class ServerConfig(Strict):
    """Where a server of the OpenAI chat protocol listens, and how it is asked. No answer depends on it."""

    url: str = execution_field("", description="up to the version, as in http://HOST:8000/v1; pictures go there only")
    api_key_file: str = execution_field(
        "", description="a file that holds the key, where the server wants one; the key itself is written nowhere"
    )
    timeout_s: float = execution_field(120.0, gt=0, description="a request that is not answered by then is given up")
    retries: int = execution_field(
        5, ge=0, le=100, description="further tries after a time-out, a refused connection, 429, 5xx or a bad answer"
    )
    backoff_s: float = execution_field(1.0, gt=0, description="the wait before the second try; doubled each time")
    max_wait_s: float = execution_field(60.0, gt=0, description="no wait is longer, whatever the server asks for")
    requests_per_minute: float = execution_field(
        0.0, ge=0, description="at most so many; 0: no limit. Held by all workers together where they share a cache, "
        "else by each one alone"
    )  # fmt: skip
    parallel: int = execution_field(
        8,
        ge=1,
        le=1024,
        description="requests under way at a time, of the whole build: its workers share them out, and each has at "
        "least one",
    )
    cache: str = execution_field(
        "", description="a folder for the answers, named after what was asked: the same clip and prompt are paid once"
    )

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            right = False
        if url and (not right or parts.query or parts.fragment or parts.username or parts.password):
            raise ValueError("write http://HOST:PORT/v1 or https://HOST/v1, with no key or question mark in it")
        return url.rstrip("/")


class EndpointConfig(RequestConfig):
    """Which model is asked, and for what. Everything that an answer depends on."""

    server: ServerConfig = ServerConfig()
    model: str = Field("", description="the model's name on the server, as in Qwen/Qwen2.5-VL-7B-Instruct")
    revision: str = Field("", description="which weights the server has; change it and every caption is asked for anew")
    licence: str = Field("", description="the model's licence, noted in every sample")
    structured: str = Field(
        "json_schema",
        pattern="^(json_schema|json_object|none)$",
        description="how the server is told to answer in JSON: json_schema (vLLM), json_object, or none",
    )
    temperature: float = Field(0.0, ge=0, le=2, description="0: the likeliest words")
