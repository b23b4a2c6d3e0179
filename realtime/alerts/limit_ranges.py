"""The ranges that limits share."""

from typing import Annotated

from msgspec import Meta

Celsius = Annotated[float, Meta(ge=-20.0, le=150.0)]
Above = Annotated[float, Meta(gt=0.0, le=1e6)]
Percent = Annotated[float, Meta(ge=0.0, le=100.0)]
Share = Annotated[float, Meta(gt=0.0, le=100.0)]
Margin = Annotated[float, Meta(ge=0.0, le=10.0)]
Sigma = Annotated[float, Meta(gt=0.0, le=20.0)]
# as many as a history remembers, less the one before them
Frames = Annotated[int, Meta(ge=1, le=7)]


def refuse_crossed(low_key: str, low: float | None, high_key: str, high: float | None) -> None:
    """Refuse a warning that would come after its hold."""
    if low is not None and high is not None and low > high:
        raise ValueError(f"`{low_key}`: is {low:g}, above {high_key} {high:g}")
