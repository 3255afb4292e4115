"""Settings of an endpoint: its address, its retries, and the request."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from annotators.captions.models.request import RequestConfig
from humove.config.strict import Strict, execution_field


class ServerConfig(Strict):
    """The address of a server of the OpenAI chat protocol, and its limits. No answer depends on them."""

    url: str = execution_field(
        "", description="address up to the version, as in http://HOST:8000/v1; frames are sent to it only"
    )
    api_key_file: str = execution_field(
        "", description="a file with the server's key, if it requires one; the key is written nowhere"
    )
    timeout_s: float = execution_field(120.0, gt=0, description="time-out of a request")
    retries: int = execution_field(
        5, ge=0, le=100, description="retries after a time-out, a refused connection, 429, 5xx or an invalid answer"
    )
    backoff_s: float = execution_field(
        1.0, gt=0, description="the wait before the first retry; doubled for each further one"
    )
    max_wait_s: float = execution_field(60.0, gt=0, description="longest wait, even if the server requests more")
    requests_per_minute: float = execution_field(
        0.0, ge=0, description="maximum; 0: no limit. It applies to all workers together if they share a cache, "
        "else to each one"
    )  # fmt: skip
    parallel: int = execution_field(
        8,
        ge=1,
        le=1024,
        description="concurrent requests of the whole build: they are divided among its workers, at least one each",
    )
    cache: str = execution_field(
        "", description="a folder that caches answers, so that the same clip and prompt are requested once"
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            valid = False
        if url and (not valid or parts.query or parts.fragment or parts.username or parts.password):
            raise ValueError("write http://HOST:PORT/v1 or https://HOST/v1, without a key or question mark")
        return url.rstrip("/")


class EndpointConfig(RequestConfig):
    """The model and its request: all settings that an answer depends on."""

    server: ServerConfig = ServerConfig()
    model: str = Field("", description="the model's name on the server, as in Qwen/Qwen2.5-VL-7B-Instruct")
    revision: str = Field(
        "", description="which weights the server has; a change makes every caption be requested again"
    )
    licence: str = Field("", description="the model's licence, recorded in every sample")
    structured: str = Field(
        "json_schema",
        pattern="^(json_schema|json_object|none)$",
        description="how the request asks for JSON: json_schema (vLLM), json_object, or none",
    )
    temperature: float = Field(0.0, ge=0, le=2, description="sampling temperature; 0: greedy")
