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


# Every number has bounds: what lies outside is a slip of the keyboard, and would end much later in
# an overflow or in memory that no machine has. `pytest tests/test_config.py` checks that.
MOST_STEPS = 1_000_000_000
WIDEST = 16_384
"""Units of a layer, at most."""

Weight = Annotated[float, BeforeValidator(as_number), Field(ge=0, le=1e6, allow_inf_nan=False)]
Limit = Annotated[float, BeforeValidator(as_number), Field(gt=0, le=1e6)]
Rate = Annotated[float, BeforeValidator(as_number), Field(gt=0, le=1)]
Share = Annotated[float, BeforeValidator(as_number), Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=MOST_STEPS)]
Index = Annotated[int, Field(ge=0, le=MOST_STEPS)]
# What NumPy and TensorFlow both take.
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Width = Annotated[int, Field(ge=1, le=WIDEST)]
FourfoldWidth = Annotated[int, Field(ge=4, le=WIDEST, multiple_of=4)]
EvenWidth = Annotated[int, Field(ge=2, le=WIDEST, multiple_of=2)]
BatchSize = Annotated[int, Field(ge=2, le=WIDEST)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
