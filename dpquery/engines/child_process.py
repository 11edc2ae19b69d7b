"""A child process that answers one message at a time, and is killed when it does not.

Upholds: no request takes longer than it may, whatever the child does; and the child
is given nothing of this process but the places where code is: no descriptor, no
environment, no terminal (threats.md 4.2).
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpquery.engines.frames import FrameError, receive, send

if TYPE_CHECKING:
    from collections.abc import Callable

_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from dpquery.engines.released_child import main
main()
"""
_KEPT = ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "SYSTEMROOT")
"""Variables without which an interpreter may not start."""
_STARTING = 30.0
"""Seconds that a child may take to start, on a machine that has other things to do."""

Message = dict[str, Any]


class ChildGoneError(Exception):
    """The child died, was killed, or speaks nonsense; there is no answer."""


class ChildProcess:
    """
    One child; its owner sees to it that one thread at a time speaks to it.

    It starts at once and is waited for by the first request.

    Args:
        opening: the first message, for the child's set-up.

    Raises:
        ChildGoneError: it cannot be started.
    """

    def __init__(self, opening: Message) -> None:
        try:
            self._process = _start()
        except OSError:
            raise ChildGoneError from None
        # Also when nobody closes: at the end of this process, or of this object.
        self._owner = os.getpid()
        self._end = weakref.finalize(self, _kill, self._process, self._owner)
        self.ready = False
        """Whether it has started and answered."""
        self._post(opening)

    @property
    def pid(self) -> int:
        """The child's number."""
        return self._process.pid

    def ask(
        self,
        request: Message,
        seconds: float,
        *,
        longest: int,
        on_part: Callable[[Message], None] | None = None,
    ) -> Message:
        """
        Return the last message of the child's answer.

        Args:
            request: what to do.
            seconds: after which the child is killed.
            longest: bytes of all messages of the answer together.
            on_part: is given the messages before the last.

        Raises:
            ChildGoneError: it was killed, and so is whatever it held.
        """
        if not self.ready:
            seconds += _STARTING
        clock = threading.Timer(seconds, self.kill)
        clock.daemon = True
        clock.start()
        try:
            if not self.ready:
                self._read(longest)
                self.ready = True
            self._post(request)
            answer = self._answer(longest, on_part)
        except BaseException:  # Ctrl-C too: half an answer is in the pipe
            self.kill()
            raise
        finally:
            clock.cancel()
            clock.join()  # or it might kill during the next request
        if answer.get("last"):
            self.kill()  # it said that it is not to be trusted with another
        return answer

    def kill(self) -> None:
        """End the child, whatever it is doing; may be called by any thread."""
        self._end()

    def alive(self) -> bool:
        """Say whether the child may be asked."""
        ours = self._end.alive and self._owner == os.getpid()
        return ours and self._process.poll() is None

    def _answer(
        self, longest: int, on_part: Callable[[Message], None] | None
    ) -> Message:
        while True:
            message, length = self._read(longest)
            longest -= length
            if "part" not in message or on_part is None:
                return message
            on_part(message)

    def _post(self, message: Message) -> None:
        if self._process.stdin is None:
            raise ChildGoneError
        try:
            send(self._process.stdin, message)
        except (OSError, ValueError):
            raise ChildGoneError from None

    def _read(self, longest: int) -> tuple[Message, int]:
        if self._process.stdout is None:
            raise ChildGoneError
        try:
            return receive(self._process.stdout, longest)
        except (FrameError, OSError, ValueError):
            raise ChildGoneError from None


def _start() -> subprocess.Popen[bytes]:
    """Start the child in a session of its own: Ctrl-C is not meant for it."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # Each thread's own arena would take 64 MB of the address space that is left.
    environment["MALLOC_ARENA_MAX"] = "2"
    options = ("-S", "-s", "-P", "-X", "utf8")
    return subprocess.Popen(  # noqa: S603 -- our own interpreter and program
        [sys.executable, *options, "-c", _PROGRAM, json.dumps(_code_places())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd=Path(sys.executable).anchor or None,
        close_fds=True,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _code_places() -> list[str]:
    """Return this process's path, and the roots of the two packages it needs."""
    places = [str(Path(place).absolute()) for place in sys.path]
    places.append(str(Path(__file__).parents[2]))
    driver = importlib.util.find_spec("duckdb")
    if driver is not None and driver.origin is not None:
        places.append(str(Path(driver.origin).parents[1]))
    return list(dict.fromkeys(places))


def _kill(process: subprocess.Popen[bytes], owner: int) -> None:
    """Kill the child and its group, and close our ends of its pipes."""
    if os.getpid() == owner:  # a fork of this process has no child to kill
        if process.poll() is None:
            _kill_group(process)
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):  # half a message may be waiting to be written
                stream.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):  # it has just ended
            os.killpg(process.pid, signal.SIGKILL)
