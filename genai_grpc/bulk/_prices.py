"""The cost of calls, from a table of prices that is kept elsewhere, or from prices of the program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

__all__ = ["Cost", "Prices", "cost_function"]

Prices: TypeAlias = Mapping[str, float]
"""US dollars for a million tokens, by `input` and `output`."""

Cost: TypeAlias = Callable[[int, int], float]
"""US dollars for so many tokens of prompts and of replies."""


def cost_function(model: str, prices: Prices | None) -> Cost | None:
    """What calls of a model cost; None if no price is known.

    Args:
        model: The resource name of the model.
        prices: Those of the program; by default those of genai-prices, if it is installed.

    Raises:
        ValueError: The prices have other keys than `input` and `output`.
    """
    if prices is not None:
        if prices.keys() != {"input", "output"}:
            raise ValueError(f"prices are those of 'input' and 'output'; got {sorted(prices)}")
        return lambda prompt, reply: (prompt * prices["input"] + reply * prices["output"]) / 1e6
    try:
        import genai_prices  # optional
    except ImportError:
        return None
    name = model.rpartition("/")[2]
    prices_of: Any = genai_prices

    @lru_cache(4096)
    def cost(prompt: int, reply: int) -> float:
        usage = prices_of.Usage(input_tokens=prompt, output_tokens=reply)
        return float(prices_of.calc_price(usage, model_ref=name, provider_id="google").total_price)

    try:
        cost(1, 1)
    except LookupError:  # it does not know the model
        return None
    return cost
