"""What the student's process may do: isolation by bubblewrap, or guarded, and limits.

With *bubblewrap* (Linux) the process sees Python, its packages, `dpss` and the book's data, read
only, 64 MB of files of its own, no other process and no network, and it dies with the grader.

*guarded* is for systems without it. The process runs as the user who grades: it may read what this
user may read, tests and other submissions included, write there, and use the network. What it
starts is found and stopped: on Linux also what leaves its session, and with it whatever the grader
itself starts in a new session meanwhile; elsewhere only its group. From Linux 6.12 on it can stop
no other process; elsewhere those of this user if it looks for them, the grader too. (Its parent is
not the grader, but a process that only waits, without which it ends.)

Under both, the limits hold for each process, not for the sum; how many processes there may be is
limited only where the grader is not root.
"""

import contextlib
import ctypes
import functools
import os
import pathlib
import shutil
import signal
import site
import subprocess
import sys
import time

import dpss

bubblewrap, guarded = "bubblewrap", "guarded"
LINUX = sys.platform == "linux"
HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = pathlib.Path(dpss.__file__).resolve().parent
SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", "/proc/cpuinfo")
GIGABYTE = 1 << 30
LIMITS = {
    "AS": 6 * GIGABYTE,
    "DATA": 3 * GIGABYTE,
    "FSIZE": GIGABYTE // 16,
    "CPU": 900,  # seconds; whoever is left when the grader is killed
    "NOFILE": 256,
    "CORE": 0,
}
PROCESSES = 64  # beside those that the user has
ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "MPLBACKEND": "agg",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}
TOLD = 600  # characters

roots = set()  # processes of open guarded sandboxes


class NoSandbox(BaseException):
    """The isolation that is asked for does not work here; the message says why.

    No Exception, so that no judge takes it for the student's.
    """


def told(text):
    """A text of the student's process as a line that any file can hold."""
    text = "".join(c if c.isprintable() else " " for c in text[: 2 * TOLD]).strip()
    return text if len(text) <= TOLD else text[: TOLD - 3] + "..."


def limits():
    """LIMITS, and that of processes: it counts every thread of the user, and does not bind root."""
    if not LINUX or os.getuid() == 0:
        return LIMITS
    count = 0
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{name}").st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{name}/task"))
    return LIMITS | {"NPROC": count + PROCESSES}


# -- bubblewrap


def best():
    """The best isolation that works here without being asked for: bubblewrap or None."""
    return bubblewrap if _trial()[0] else None


@functools.cache
def _trial():
    """How bwrap is called here, empty if it cannot be used; and what it says then."""
    if not (program := shutil.which("bwrap")):
        return [], "bwrap is not installed"
    apart = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    for spaces in (["--unshare-all"], apart):  # in some containers root may not make one of users
        command = bubble([program, *spaces]) + [sys.executable, "-I", "-S", "-c", ""]
        done = subprocess.run(command, capture_output=True, env=ENVIRONMENT, cwd="/")
        if done.returncode == 0:
            return [program, *spaces], ""
    return [], told(done.stderr.decode("utf-8", "replace"))


def why_no_bubblewrap():
    return (
        f"bubblewrap cannot be used here ({_trial()[1]}); needed: the program bwrap, 0.7 or newer, "
        "with permission to make namespaces; or the isolation guarded, which hides no files from "
        "the students' code"
    )


def bubble(program=None):
    """The beginning of a command that is to see only what Python needs."""
    seen = [*SYSTEM, *site.getsitepackages(), sys.executable]
    for prefix in (sys.prefix, sys.base_prefix):
        seen += [f"{prefix}/{part}" for part in ("lib", "lib64", "pyvenv.cfg")]
    seen += [LIBRARY, LIBRARY.parent / "data", HERE / "child.py", HERE / "wire.py"]
    command = [*(program or _trial()[0]), "--die-with-parent", "--new-session"]
    command += ["--cap-drop", "ALL", "--dev", "/dev"]
    command += ["--size", str(LIMITS["FSIZE"]), "--tmpfs", "/tmp"]
    for path in sorted(set(map(str, seen))):
        command += ["--ro-bind-try", path, path]
    return [*command, "--chdir", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/"]


# -- processes of a guarded sandbox


def adopt():
    """Processes whose parents end become children of the grader, who then finds them."""
    if LINUX:
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def entry(pid):
    """State, parent, session and time of birth of a process."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    fields = text.rpartition(")")[2].split()  # its name may have spaces and parentheses
    return fields[0], int(fields[1]), int(fields[3]), int(fields[19])


def _table():
    table = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            table[int(name)] = entry(name)
    return table


def _offspring(process, born):
    """What a process has started, and the process: also what has been adopted by the grader.

    An adopted one is a child of the grader in a session that is not the grader's.
    """
    table, me, session = _table(), os.getpid(), os.getsid(0)
    found = {process.pid} & table.keys() if process.returncode is None else set()
    for pid, (state, parent, its, birth) in table.items():
        if parent == me and its != session and birth >= born and pid not in roots:
            if state == "Z":
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            else:
                found.add(pid)
    while more := {pid for pid, entry in table.items() if entry[1] in found} - found:
        found |= more
    return {pid for pid in found if table[pid][0] != "Z"}


def stop(process, born):
    """Stop a process that was born then, and what it has started."""
    for _ in range(200):  # those that fork while they are counted are met again
        living = _offspring(process, born)
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not living:
            return
        time.sleep(0.005)
