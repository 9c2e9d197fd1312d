"""The student's process: runs cells, answers calls. It holds no tests and no solutions.

    python -I -B child.py SETTINGS

`sandbox.py` starts it. SETTINGS is JSON: `line`, the descriptor of a socket to the grader; `wire`
and `judge`, the files that both use; `library`, the folder of `dpss`; `limits`, name -> number;
`warden`, whether a process that only waits stands between the grader and this one, so that the
parent which the student's code finds, and may stop, is not the grader.
"""

import builtins
import ctypes
import importlib.util
import io
import json
import linecache
import os
import re
import signal
import socket
import struct
import sys
import types

PRINTED = 4096  # characters between two replies that are kept
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446  # on every architecture
LANDLOCK_SCOPE_SIGNAL = 2
MATPLOTLIB = re.compile(r"^%matplotlib\b.*$", re.M)
MAGIC = re.compile(r"^\s*(?:\w+\s*=\s*)?[%!].*", re.M)


def main(settings):
    if settings["warden"]:
        stand_between(settings["line"])
    wire, judge = (load(name, settings[name]) for name in ("wire", "judge"))
    sys.path.append(settings["library"])
    limit(settings["limits"])
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    Student(socket.socket(fileno=settings["line"]), wire, judge).serve()


def stand_between(line):
    """Go on in a fork; this process only waits for it, and for what it leaves behind."""
    linux = sys.platform == "linux"
    library = ctypes.CDLL(None)
    if linux:
        library.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if student := os.fork():
        os.close(line)
        while True:
            pid, status = os.wait()
            if pid == student:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)
    if linux:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal_nobody_else(library)


def signal_nobody_else(library):
    """Signals reach this process and those that it starts alone, where Linux is 6.12 or newer."""
    rules = struct.pack("QQQ", 0, 0, LANDLOCK_SCOPE_SIGNAL)
    descriptor = library.syscall(LANDLOCK_CREATE_RULESET, rules, len(rules), 0)
    if descriptor >= 0:
        library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        library.syscall(LANDLOCK_RESTRICT_SELF, descriptor, 0)
        os.close(descriptor)


def load(name, path):
    """The module in a file, without the package that it belongs to."""
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def limit(limits):
    """Limits that this process and those that it starts cannot raise again."""
    import resource

    for name, number in limits.items():
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (number, number))
        except (AttributeError, ValueError, OSError):
            pass  # unknown to this system, or lower already


class Printed(io.TextIOBase):
    """What is printed, up to a length, until it is taken."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text[: PRINTED - len(self.text)]
        return len(text)

    def take(self):
        text, self.text = self.text, ""
        return text


class Student:
    """The names that cells define, and a line to the grader."""

    def __init__(self, line, wire, judge):
        self.line, self.wire, self.judge = line, wire, judge
        self.process, self.number = os.getpid(), None
        self.printed = sys.stdout = sys.stderr = Printed()
        sys.modules["__main__"] = types.ModuleType("__main__")
        self.names = vars(sys.modules["__main__"])
        builtins.display = lambda *_, **__: None  # notebooks have it, and nobody looks here

    def serve(self):
        self.send(["ready"])
        while True:
            self.obey(self.receive())

    # -- the line

    def send(self, message):
        packed = self.wire.pack(message, look=self.judge.short)
        if os.getpid() != self.process:  # a fork of the student's code that came back to us
            os._exit(0)
        self.line.sendall(packed)

    def receive(self):
        return self.wire.unpack(self.read, self.stand_in)

    def read(self, count):
        content = bytearray()
        while len(content) < count:
            part = self.line.recv(min(count - len(content), 1 << 20))
            if not part:  # the grader is gone
                os._exit(0)
            content += part
        return content

    # -- requests

    def obey(self, message):
        number, *request = message  # replies carry it: what is no reply to this is none at all
        before, self.number = self.number, number
        match request:
            case ["run", name, code, seconds]:
                self.attempt("cell", self.run, name, code, seconds)
            case ["callable", name]:
                self.attempt("answer", lambda: callable(self.names.get(name)))
            case ["value", name]:
                self.attempt("answer", self.names.get, name)
            case ["call", name, values, seconds]:
                self.attempt("function", self.call, name, values, seconds)
        self.number = before

    def attempt(self, what, action, *arguments):
        """Reply with a result, or with what stopped it: the student's code raises nothing here."""
        try:
            value = action(*arguments)
            self.send([self.number, "done", value, self.printed.take()])
            return
        except self.judge.Late:
            reply = ["late"]
        except (self.judge.Unfit, self.wire.TooLarge) as error:
            reply = ["failed", str(error)]
        except BaseException as error:
            reply = ["failed", self.stopped(what, error)]
        self.send([self.number, *reply, self.printed.take()])

    def stopped(self, what, error):
        """What the judge says of an error; frames of this file and of the wire do not count."""
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename in (__file__, self.wire.__file__):
            trace = trace.tb_next
        try:
            text = self.judge.stopped(error.with_traceback(trace))
        except BaseException:  # an exception of the student's own, with a __str__ that fails
            text = f"your function stops with {type(error).__name__}"
        return text.replace("your function", f"your {what}", 1)

    def run(self, name, code, seconds):
        """Execute a cell; its lines are kept, so that errors can show them."""
        code, file = MATPLOTLIB.sub("", code), f"<{name}>"
        linecache.cache[file] = len(code), None, code.splitlines(keepends=True), file
        try:
            compiled = compile(code, file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise self.judge.Unfit(no_python(code, error)) from None
        self.judge.limited(exec, (compiled, self.names), seconds)

    def call(self, name, values, seconds):
        return self.judge.called(self.names[name], values, seconds)

    # -- functions of the grader

    def stand_in(self, number, name):
        """What the student's code calls in place of a function that stays with the grader."""

        def ask(*values, **named):
            values = [*values, *named.values()]
            result = self.ask(number, list(named), values)
            torch = sys.modules.get("torch")
            if torch and any(isinstance(value, torch.Tensor) for value in values):
                return self.judge.as_tensor(torch, result)
            return result

        ask.__name__ = name
        return ask

    def ask(self, number, names, values):
        """The alarm waits meanwhile: it would leave half a message on the line."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        try:
            self.send([self.number, "ask", number, names, values])
            while True:
                match self.receive():
                    case ["returned", value]:
                        return value
                    case ["raised", kind, text]:
                        raise exception(kind, text)
                    case request:  # of a function of the grader that calls one of the student's
                        self.obey(request)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def exception(kind, text):
    """The built-in exception called `kind`, or else a RuntimeError."""
    kind = vars(builtins).get(kind)
    try:
        return kind(text) if issubclass(kind, Exception) else RuntimeError(text)
    except TypeError:
        return RuntimeError(text)


def no_python(code, error):
    """Why a cell cannot be compiled."""
    if magic := MAGIC.search(code):
        needed = "plain Python, without lines that begin with % or !"
        return f"your cell has the line magic `{magic[0].strip()}`; needed: {needed}"
    line = (getattr(error, "text", None) or "").strip()
    line = f" in the line `{line}`" if line else ""
    return f"your cell is no Python{line}: {getattr(error, 'msg', error)}"


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
