"""What every section of a configuration is made of: its base class and kinds of numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def as_number(value: Any) -> Any:
    """PyYAML reads ``1e-4`` as a string; make it the number it was meant to be."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Weight = Annotated[float, BeforeValidator(as_number), Field(ge=0)]
Rate = Annotated[float, BeforeValidator(as_number), Field(gt=0, le=1)]
Share = Annotated[float, BeforeValidator(as_number), Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
