"""A JSON API that says how slow the application is: the A/B test is judged by it.

The control group answers within 200 ms, the other one does not.
"""

from __future__ import annotations

import itertools
import threading

from freightway.cli.demo_pipeline.loopback import LoopbackServer, Reply, Request

CONTROL = (121, 147, 138, 166, 152)
"""Milliseconds that the control group took, in turn."""
CANDIDATE = (247, 231, 268, 254, 239)
"""Milliseconds that the group with the new version took, in turn."""


class MetricsApi:
    """``GET /latency?control=true`` answers ``{"latency": {"p95": 121}}``, in milliseconds."""

    def __init__(self) -> None:
        self._values = {"true": itertools.cycle(CONTROL), "false": itertools.cycle(CANDIDATE)}
        self._lock = threading.Lock()
        self.asked = dict.fromkeys(self._values, 0)
        self._server = LoopbackServer(self._answer)

    @property
    def host(self) -> str:
        """Address and port."""
        return self._server.host

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def _answer(self, request: Request) -> Reply:
        group = request.parameters.get("control", "")
        if request.method != "GET" or request.path != "/latency" or group not in self._values:
            return Reply.of({"error": "ask GET /latency?control=true or control=false"}, 404)
        with self._lock:
            self.asked[group] += 1
            return Reply.of({"latency": {"p95": next(self._values[group])}, "unit": "ms"})
