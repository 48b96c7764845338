"""Run every measurement, one after the other."""

from __future__ import annotations

from benchmarks import expressions, promotions, seven_steps, thousand_stages


def main() -> None:
    """Run them all."""
    for measurement in (expressions, promotions, seven_steps, thousand_stages):
        print(f"-- {measurement.__name__}")
        measurement.main()


if __name__ == "__main__":
    main()
