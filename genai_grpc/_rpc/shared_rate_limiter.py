"""Rate limiters that several clients share, such as those of a hundred processes with one quota."""

from __future__ import annotations

from typing import Protocol

__all__ = ["SharedRateLimiter"]


class SharedRateLimiter(Protocol):
    """A rate limiter outside of the client, for `Client(rate_limit=...)`: one quota for several processes.

    An object with this method, called from any thread. Async calls run it on a thread; if the object has a coroutine
    function `reserve_async` of the same parameters, they await that instead.

    >>> import genai_grpc as genai
    >>> class TwoCalls:  # of all clients that share it
    ...     left = 2
    ...     def reserve(self, tokens: float, max_wait: float) -> float | None:
    ...         self.left -= 1
    ...         return 0.0 if self.left >= 0 else None
    >>> client = genai.Client(rate_limit=TwoCalls())
    >>> genai.get_model("gemini-pro", client=client).name
    'models/gemini-pro'
    >>> client.close()
    """

    def reserve(self, tokens: float, max_wait: float) -> float | None:
        """Reserve an attempt, which is sent after the seconds returned. An exception fails the call.

        Args:
            tokens: Tokens of its prompt and response, as estimated from the responses before it, plus the difference
                between the actual and the estimated tokens of the attempts that ended since the last reservation. It
                may be negative.
            max_wait: The longest wait that leaves enough time for the response, in seconds.

        Returns:
            Seconds to wait, 0 for none. None if they would be more than `max_wait`: nothing is reserved, and the call
            fails with DeadlineExceeded.
        """
        ...
