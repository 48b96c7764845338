"""A limit on requests per second, one bucket for each host."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pace:
    """Lets ``burst`` requests to a host through at once, then ``rate`` per second.

    Attributes:
        rate: requests per second; 0 for no limit.
    """

    rate: float = 20.0
    burst: float = 20.0
    _next: dict[str, float] = field(default_factory=dict)

    async def wait(self, host: str) -> None:
        """Wait for this host's turn."""
        if self.rate <= 0:
            return
        now = time.monotonic()
        # The time at which the bucket would be full again; each request moves it on.
        earliest = max(self._next.get(host, 0.0), now - self.burst / self.rate)
        self._next[host] = earliest + 1 / self.rate
        if (pause := self._next[host] - now) > 0:
            await asyncio.sleep(pause)
