"""Times in JSON.

Source: Go's Time.MarshalJSON.
"""

from __future__ import annotations

from freightway.expr.failure import Failure
from freightway.expr.gotime import RFC3339_NANO, Time


def time_json(time: Time) -> str:
    """Return the text of a time in JSON.

    Raises:
        Failure: if its year has not four digits, or its zone a strange offset.
    """
    if not 0 <= time.date[0] <= 9999:
        raise Failure("json: error calling MarshalJSON for type time.Time: year outside of range [0,9999]")
    if abs(time.zone.lookup(time.unix_seconds)[1]) >= 24 * 3600:
        raise Failure(
            "json: error calling MarshalJSON for type time.Time: timezone hour outside of range [0,23]"
        )
    return time.format(RFC3339_NANO)
