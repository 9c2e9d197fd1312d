"""A process for the student's code, and the line to it, on which no message is awaited for ever."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from dpss.exercises.judge import Late

from . import isolation, wire
from .isolation import HERE, LIBRARY, LINUX, NoSandbox, guarded, told

START = 60  # seconds


class Ended(Exception):
    """The process is gone, or its line is; the message says how."""


class Process:
    """A process that runs `child.py`, and the line to it."""

    def __init__(self, level):
        self.guarded = level == guarded
        self.line, line = socket.socketpair()
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        settings = {
            "line": line.fileno(),
            "wire": str(HERE / "wire.py"),
            "judge": str(LIBRARY / "exercises" / "judge.py"),
            "library": str(LIBRARY.parent),
            "limits": isolation.limits(),
            "warden": self.guarded,
        }
        command = [sys.executable, "-I", "-B", str(HERE / "child.py"), json.dumps(settings)]
        home = self.folder.name if self.guarded else "/tmp"
        if self.guarded:
            isolation.adopt()
        else:
            command = [*isolation.bubble(), *command]
        with line, tempfile.TemporaryFile() as said:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder.name,
                env={**isolation.ENVIRONMENT, "HOME": home, "MPLCONFIGDIR": home, "TMPDIR": home},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                pass_fds=[line.fileno()],
                start_new_session=self.guarded,
            )
            if self.guarded and LINUX:
                isolation.roots.add(self.process.pid)
                self.born = isolation.entry(self.process.pid)[3]
            line.close()
            try:
                self.receive(time.monotonic() + START)
            except (Ended, Late, wire.Malformed):
                said.seek(0)
                text = told(said.read().decode("utf-8", "replace"))
                self.end()
                raise NoSandbox(f"the process did not start ({level}): {text}") from None
            except BaseException:
                self.end()
                raise

    def waits(self):
        """Whether it is alive and nothing is on the line, which could be taken for a reply."""
        self.line.settimeout(0)
        try:
            self.line.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return self.process.poll() is None
        except OSError:
            return False
        return False

    def send(self, message, functions, end):
        packed = wire.pack(message, functions)
        try:
            self.line.settimeout(max(end - time.monotonic(), 0.001))
            self.line.sendall(packed)
        except TimeoutError:
            raise Late from None
        except OSError:
            raise self._ended() from None

    def reply(self, number, end):
        """The next message, without its number, which is that of the request."""
        match self.receive(end):
            case [int() as its, *reply] if its == number:
                return reply
        raise wire.Malformed

    def receive(self, end):
        return wire.unpack(lambda count: self._read(count, end))

    def _read(self, count, end):
        content = bytearray()
        while len(content) < count:
            left = end - time.monotonic()
            if left <= 0:
                raise Late
            self.line.settimeout(min(left, 0.2))
            try:
                part = self.line.recv(min(count - len(content), 1 << 20))
            except TimeoutError:
                if self.process.poll() is not None:  # what it started may hold the line open
                    raise self._ended() from None
                continue
            except OSError:
                part = b""
            if not part:
                raise self._ended()
            content += part
        return content

    def _ended(self):
        try:
            status = self.process.wait(1)
        except subprocess.TimeoutExpired:
            return Ended("cuts the line to the grader")
        if status == 128 + signal.SIGKILL or status < 0:
            return Ended("ends the process: it was killed, perhaps for want of memory")
        if status > 128:
            return Ended(f"ends the process: {signal.strsignal(status - 128)}")
        return Ended(f"ends the process, with status {status}")

    def end(self):
        """Stop it and all that it has started."""
        if self.guarded and LINUX:
            isolation.stop(self.process, self.born)
            isolation.roots.discard(self.process.pid)
        elif self.guarded:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.line.close()
        self.folder.cleanup()
