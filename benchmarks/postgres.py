"""
A PostgreSQL server of our own, for tests and benchmarks, in a temporary directory.

It listens on a Unix socket there and nowhere else. PostgreSQL refuses to run as root,
so that root starts it as somebody else.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_NEEDED = ("initdb", "postgres", "pg_ctl")
_SOMEBODY = ("postgres", "nobody")


class Unavailable(Exception):
    """There is no server to be had here; the text says why."""


def binaries() -> Path:
    """
    Return the directory of a server's programs.

    Raises:
        Unavailable: there is none.
    """
    found = [Path(name).resolve().parent for name in map(shutil.which, _NEEDED) if name]
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    newest = sorted(versions, key=lambda p: p.parent.name.zfill(3), reverse=True)
    for directory in [*found, *newest]:
        if all((directory / name).is_file() for name in _NEEDED):
            return directory
    raise Unavailable("no PostgreSQL server is installed: initdb and postgres")


class Server:
    """
    A server that is there until it is closed.

    Raises:
        Unavailable: it cannot be made here.
    """

    def __init__(self, *, durable: bool = True) -> None:
        """Start a server; one that is not *durable* forgets when the power fails."""
        self._programs = binaries()
        self._user = _somebody()
        # the path of a socket has at most 107 characters
        self.directory = Path(tempfile.mkdtemp(prefix="dpq-pg-", dir="/tmp"))
        try:
            if self._user is not None:
                os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
            self._data = self.directory / "data"
            self._run("initdb", *_CREATE, "-D", str(self._data))
            settings = _SETTINGS if durable else f"{_SETTINGS}fsync = off\n"
            with (self._data / "postgresql.conf").open("a") as file:
                file.write(f"{settings}unix_socket_directories = '{self.directory}'\n")
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, schema: str = "public") -> str:
        """Return where a ledger in *schema* is."""
        options = quote(f"-csearch_path={schema}", safe="")
        host = quote(str(self.directory), safe="")
        return f"postgresql://dpquery@/postgres?host={host}&options={options}"

    def start(self) -> None:
        """Start, and wait until connections are taken."""
        log = str(self.directory / "log")
        self._run("pg_ctl", "start", "-w", "-D", str(self._data), "-l", log)

    def stop(self, mode: str = "fast") -> None:
        """Stop: ``immediate`` is what a crash is."""
        self._run("pg_ctl", "stop", "-w", "-D", str(self._data), "-m", mode)

    def close(self) -> None:
        """Stop and delete everything."""
        with contextlib.suppress(Unavailable, AttributeError):
            self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        try:
            subprocess.run(  # noqa: S603 -- our own command
                command,
                check=True,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=60,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                user=None if self._user is None else self._user.pw_uid,
                group=None if self._user is None else self._user.pw_gid,
                extra_groups=None if self._user is None else [],
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(f"{program} fails here: {type(error).__name__}") from None


_CREATE: Sequence[str] = (
    *("--username", "dpquery", "--auth", "trust", "--encoding", "UTF8"),
    *("--no-locale", "--no-sync"),
)
_SETTINGS = """
listen_addresses = ''
max_connections = 60
shared_buffers = 16MB
autovacuum = off
"""


def _somebody() -> pwd.struct_passwd | None:
    """Return who runs the server, if not we ourselves."""
    if os.geteuid() != 0:
        return None
    for name in _SOMEBODY:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Unavailable("root may not run PostgreSQL, and there is nobody else")
