"""The base of every configuration section."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A frozen section that knows its keys: a misspelt one is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def data_settings(self) -> dict[str, Any]:
        """What results depend on, as JSON values: every setting but those made with `execution_field`."""
        dumped = self.model_dump(mode="json")
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("execution"):
                del dumped[name]
            elif isinstance(value, Strict):
                dumped[name] = value.data_settings()
        return dumped


def execution_field(default: Any, **constraints: Any) -> Any:
    """A pydantic Field that says how or where work is done and changes no result: a batch size, a time-out, a cache's
    folder. It stays out of hashes and of the data set, so that moving it measures nothing again."""
    return Field(default, json_schema_extra={"execution": True}, **constraints)
