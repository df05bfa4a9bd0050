"""What a key may use, as the management API takes and shows it.

Refuses to know how it is counted. Invariant: a field left out of a change stays as it is; `null` takes a
limit away.
"""

from dataclasses import dataclass
from typing import Annotated, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from pilothouse.contracts.traffic import Limits

MOST = 1_000_000_000_000
Count = Annotated[int, Field(ge=1, le=MOST)]
Dollars = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]


class LimitRequest(BaseModel):
    """What a key may use; null is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: Count | None = Field(default=None, description="Calls in any 60 s.")
    tokens_per_minute: Count | None = Field(
        default=None, description="Input and output tokens together in any 60 s."
    )
    concurrency: Count | None = Field(default=None, description="Calls under way at once.")
    budget_day_usd: Dollars | None = Field(default=None, description="US dollars a UTC day.")
    budget_month_usd: Dollars | None = Field(default=None, description="US dollars a UTC calendar month.")

    def over(self, limits: Limits) -> Limits:
        """Returns `limits` with what was sent in place of what was."""
        return msgspec.structs.replace(
            limits, **{name: getattr(self, name) for name in self.model_fields_set}
        )


@dataclass(frozen=True, slots=True)
class LimitView:
    """What a key may use; null is no limit."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrency: int | None
    budget_day_usd: float | None
    budget_month_usd: float | None

    @classmethod
    def of(cls, limits: Limits) -> Self:
        """Returns limits as they are shown."""
        return cls(**msgspec.structs.asdict(limits))
