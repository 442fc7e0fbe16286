"""What every part of the policy is made of."""

from __future__ import annotations

from functools import cached_property

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """The base of every part of the policy: frozen, and no field that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ignored_types=(cached_property,))
