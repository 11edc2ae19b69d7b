"""Alerts: the owner is told that a share of a budget is spent; never about data."""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import time
from threading import Lock, Thread
from typing import TYPE_CHECKING

from dpquery.ledger.alarms import Alarms
from dpquery.ledger.records import DATASET

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.accounting.accountant import Promise
    from dpquery.accounting.loss import Loss
    from dpquery.ledger.records import Crossing
    from dpquery.policy.model import Policy

TIMEOUT = 3.0
"""Seconds that a webhook may take, and that the end of a process waits for it."""

LOG = logging.getLogger("dpquery.alerts")
# a library is silent unless it is asked to speak
logging.getLogger("dpquery").addHandler(logging.NullHandler())


def alarms_of(policy: Policy, promise_of: Callable[[str], Promise]) -> Alarms:
    """Return at which shares the owner wants to be told, and what tells them."""
    wanted = policy.alerts
    if wanted is None:
        return Alarms()

    def inform(crossing: Crossing) -> None:
        # whatever an owner's log handler does, the answer was paid for and comes
        with contextlib.suppress(Exception):
            record = alert(policy.name, crossing, promise_of(crossing.scope))
            if wanted.webhook is not None:
                _send(wanted.webhook, json.dumps(record, ensure_ascii=False).encode())
            if wanted.log:
                LOG.warning("%s", record["text"])

    return Alarms(tuple(wanted.at), inform)


def alert(policy: str, crossing: Crossing, promise: Promise) -> dict[str, object]:
    """Return all that is told of a crossing."""

    def amount(loss: Loss) -> dict[str, float]:
        return {
            "epsilon": promise.epsilon_of(loss),
            "delta": loss.delta_value,
            "rho": loss.rho,
        }

    whose = "the dataset's budget"
    if crossing.scope != DATASET:
        kind, _, name = crossing.scope.partition(":")
        whose = f"the budget of {kind} {name}"
    percent = f"{float(crossing.share) * 100:g} %"
    return {
        "text": f"{policy}: {percent} of {whose} is spent",
        "policy": policy,
        "scope": crossing.scope,
        "share": float(crossing.share),
        "spent": amount(crossing.spent),
        "limit": amount(crossing.limit),
        "at": crossing.at,
    }


class _Post(Thread):
    """One alert on its way; nobody waits for it but the end of the process."""

    def __init__(self, url: str, body: bytes) -> None:
        super().__init__(name="dpquery alert", daemon=True)
        self._url = url
        self._body = body

    def run(self) -> None:
        """Send it; whatever goes wrong is a line in the log, without the address."""
        # imported here, for most processes never send one
        import urllib.error  # noqa: PLC0415
        import urllib.request  # noqa: PLC0415

        try:
            request = urllib.request.Request(  # noqa: S310 -- the policy allows http(s)
                self._url,
                self._body,
                {"Content-Type": "application/json", "User-Agent": "dpquery"},
                method="POST",
            )
            with urllib.request.urlopen(request, timeout=TIMEOUT):  # noqa: S310
                pass
        except urllib.error.HTTPError as failure:
            failure.close()
            LOG.warning("an alert was not taken: the webhook said %d", failure.code)
        except Exception as failure:  # noqa: BLE001 -- an alert never fails an answer
            LOG.warning("an alert was not sent: %s", type(failure).__name__)
        finally:
            with _lock:
                _under_way.discard(self)


_lock = Lock()
_under_way: set[_Post] = set()


def _send(url: str, body: bytes) -> None:
    post = _Post(url, body)
    with _lock:
        _under_way.add(post)
    try:
        post.start()
    except RuntimeError as failure:  # no more threads, or the end of the process
        with _lock:
            _under_way.discard(post)
        LOG.warning("an alert was not sent: %s", type(failure).__name__)


def wait_for_alerts(seconds: float = TIMEOUT) -> None:
    """Wait until alerts are sent, but not longer than *seconds*."""
    end = time.monotonic() + seconds
    with _lock:
        posts = list(_under_way)
    for post in posts:
        post.join(max(0.0, end - time.monotonic()))


atexit.register(wait_for_alerts)
