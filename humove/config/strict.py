"""The base of every configuration section."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A frozen section with a fixed set of keys: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def get_data_settings(self) -> dict[str, Any]:
        """Return the settings that results depend on, as JSON values: all except those made with `execution_field`."""
        dumped = self.model_dump(mode="json")
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("execution"):
                del dumped[name]
            elif isinstance(value, Strict):
                dumped[name] = value.get_data_settings()
        return dumped


def execution_field(default: Any, **constraints: Any) -> Any:
    """Make a pydantic Field for a setting that changes no result, such as a batch size, a time-out or a cache folder.

    It is left out of hashes and of the data set, so a change of it re-runs nothing.
    """
    return Field(default, json_schema_extra={"execution": True}, **constraints)
