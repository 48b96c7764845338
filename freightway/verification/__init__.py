"""The rules of analysis runs: conditions, schedules, assessment."""
