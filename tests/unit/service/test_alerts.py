"""Alerts: told once, to a log and a webhook that can fail as it likes."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dpquery.service import Service, alerts
from dpquery.service.alerts import wait_for_alerts

from .conftest import Open

COUNT = "SELECT COUNT(*) AS n FROM patients"
OLD = "SELECT COUNT(*) AS n FROM patients WHERE age > 60"

REACHED = "ward: 50 % of the budget of analyst alice is spent"
"""Logged beside what becomes of the webhook, in either order."""


class Hook:
    """A webhook that answers with a status, or not at all."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.status = 204
        self.pause = threading.Event()
        self.pause.set()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.headers["Content-Type"], json.loads(body)))
                hook.pause.wait(20)
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret-token"


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever, args=(0.05,))
    thread.start()
    yield hook
    hook.pause.set()
    hook.server.shutdown()
    hook.server.server_close()
    thread.join()


@pytest.fixture
def open_watched(open_ward: Open) -> Callable[..., Service]:
    def open_it(alerts: str) -> Service:
        return open_ward(("analysts:", f"alerts: {alerts}\nanalysts:"))

    return open_it


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "dpquery.alerts"]


def test_the_log_and_the_webhook(
    open_watched: Callable[..., Service], hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    service = open_watched(f"{{at: [0.5, 1.0], webhook: '{hook.url}'}}")
    session = service.session("alice")
    session.query(COUNT, epsilon=0.3)
    assert messages(caplog) == []
    session.query(OLD, epsilon=0.8)
    wait_for_alerts()
    assert messages(caplog) == [REACHED]
    ((kind, told),) = hook.got
    assert kind == "application/json"
    assert told.keys() == {
        "text",
        "policy",
        "scope",
        "share",
        "spent",
        "limit",
        "at",
    }
    assert (told["scope"], told["share"]) == ("analyst:alice", 0.5)
    assert told["limit"]["epsilon"] == pytest.approx(1)
    assert 0.8 < told["spent"]["epsilon"] < 0.9
    session.query(OLD, epsilon=0.8)  # the same again, for nothing
    wait_for_alerts()
    assert len(hook.got) == 1


def test_of_the_dataset_and_not_to_the_log(
    open_watched: Callable[..., Service], hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    service = open_watched(f"{{at: [0.01], webhook: '{hook.url}', log: false}}")
    service.session("alice").query(COUNT, epsilon=1.0)
    wait_for_alerts()
    assert messages(caplog) == []
    texts = {told["text"] for _, told in hook.got}
    assert texts == {
        "ward: 1 % of the dataset's budget is spent",
        "ward: 1 % of the budget of analyst alice is spent",
    }


def test_without_alerts_nothing_is_told(
    open_ward: Open, caplog: pytest.LogCaptureFixture
) -> None:
    open_ward().session("alice").query(COUNT, epsilon=1.0)
    assert messages(caplog) == []


@pytest.mark.parametrize("status", [404, 500])
def test_a_webhook_that_refuses(
    open_watched: Callable[..., Service],
    hook: Hook,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    hook.status = status
    service = open_watched(f"{{at: [0.5], webhook: '{hook.url}'}}")
    assert service.session("alice").query(COUNT, epsilon=1.0).rows
    wait_for_alerts()
    said = f"an alert was not taken: the webhook said {status}"
    assert sorted(messages(caplog)) == [said, REACHED]


def test_a_webhook_that_is_not_there(
    open_watched: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/secret-token"
        service = open_watched(f"{{at: [0.5], webhook: '{url}'}}")
        assert service.session("alice").query(COUNT, epsilon=1.0).rows
        wait_for_alerts()
    assert sorted(messages(caplog)) == ["an alert was not sent: URLError", REACHED]
    assert "secret-token" not in caplog.text


def test_a_webhook_that_does_not_answer_delays_nothing(
    open_watched: Callable[..., Service],
    hook: Hook,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alerts, "TIMEOUT", 1.0)
    hook.pause.clear()
    service = open_watched(f"{{at: [0.5], webhook: '{hook.url}'}}")
    session = service.session("alice")
    session.price(COUNT)  # what is slow once
    start = time.monotonic()
    assert session.query(COUNT, epsilon=1.0).rows
    assert alerts._under_way  # answered, and the alert is still on its way
    wait_for_alerts(0.01)
    assert time.monotonic() - start < 30
    wait_for_alerts(20)
    assert sorted(messages(caplog)) == ["an alert was not sent: TimeoutError", REACHED]
    assert not alerts._under_way


def test_a_log_handler_that_fails_costs_no_answer(
    open_watched: Callable[..., Service],
) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError(record.name)

    broken = Broken()
    alerts.LOG.addHandler(broken)
    try:
        session = open_watched("{at: [0.5]}").session("alice")
        assert session.query(COUNT, epsilon=1.0).rows
    finally:
        alerts.LOG.removeHandler(broken)


def test_a_command_ends_after_its_alert_was_sent(
    open_watched: Callable[..., Service], folder: Path, hook: Hook
) -> None:
    open_watched(f"{{at: [0.5], webhook: '{hook.url}'}}").close()
    done = subprocess.run(  # noqa: S603 -- our own command
        [
            *(sys.executable, "-m", "dpquery", "query", COUNT, "--epsilon", "1"),
            *("-p", str(folder / "ward.yaml"), "--as", "alice"),
        ],
        capture_output=True,
        text=True,
        cwd=Path(alerts.__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0
    assert "alert   ward: 50 % of the budget of analyst alice is spent" in done.stderr
    assert [told["share"] for _, told in hook.got] == [0.5]
