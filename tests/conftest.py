"""What tests of several folders use: Freightway running, and a project in it."""

from __future__ import annotations

import os

import pytest

from tests.servers.freightway_stack import Stack


@pytest.fixture(scope="session")
async def stack(tmp_path_factory):
    """A Temporal server and a worker, for the whole session; projects keep tests apart."""
    running = Stack(tmp_path_factory.mktemp("freightway") / "home")
    await running.start()
    yield running
    await running.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """With CI set nothing may be skipped: what a test needs is installed there, or the run fails."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although CI is set: {report.longrepr[2] if report.longrepr else ''}"
    return report
