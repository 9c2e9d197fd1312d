"""The library beside its peers, in one process, on one thread: `make bench`.

CPU time, medians of interleaved turns. The last columns are what to read: how many times as long
the peer takes, what ratio was aimed at, and how far the results are apart (relative, maximum norm;
– where the peer solves a slightly different problem). Fails where results differ, not where a
machine is slow.
"""

import datetime
import os
import pathlib
import platform
import statistics
import sys
import time

import blur
import growth
import learning
import nonlinear
import numpy as np
import osmosis
import processes
import torch

TURN, ROUNDS = 0.03, 9  # seconds that a turn lasts at least; turns of each function


def seconds(*functions):
    """CPU time of a call of each function: medians of interleaved turns of many calls."""
    calls = []
    for function in functions:
        function()
        start = time.process_time()
        function()
        calls.append(max(1, round(TURN / max(time.process_time() - start, 1e-7))))
    taken = [[] for _ in functions]
    for _ in range(ROUNDS if max(calls) > 1 else 3):
        for function, times, repeats in zip(functions, taken, calls):
            start = time.process_time()
            for _ in range(repeats):
                function()
            times.append((time.process_time() - start) / repeats)
    return [statistics.median(times) for times in taken]


def gap(ours, theirs):
    ours, theirs = (
        np.asarray(x.detach() if isinstance(x, torch.Tensor) else x, dtype=np.float64).ravel()
        for x in (ours, theirs)
    )
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def machine():
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    model = model or platform.processor() or platform.machine()
    versions = f"torch {torch.__version__}, NumPy {np.__version__}"
    return f"{datetime.date.today()}, {model}, one thread, {versions}"


def main():
    if os.environ.get("OMP_NUM_THREADS") != "1":
        sys.exit("more than one thread; needed: OMP_NUM_THREADS=1, as `make bench` sets it")
    torch.set_num_threads(1)
    only, wrong = sys.argv[1:], []
    print(machine())
    print(f"\n{'operation':48} {'ms':>9}  {'peer':34} {'ratio':>7} {'aim':>6}       {'gap':>8}")
    for module in (blur, nonlinear, osmosis, processes, learning):
        if only and module.__name__ not in only:
            continue
        for row in module.rows():
            mine, theirs = seconds(row.ours, row.theirs)
            ratio = theirs / mine
            reached = "ok" if ratio >= row.reach else "short"
            apart = gap(row.ours(), row.theirs()) if row.tolerance is not None else None
            shown = "–" if apart is None else format(apart, ".0e")
            print(
                f"{row.operation:48} {1e3 * mine:9.3f}  {row.peer:34} "
                f"{ratio:7.2f} {row.reach:6.2f} {reached:5} {shown:>8}",
                flush=True,
            )
            if apart is not None and not apart <= row.tolerance:
                wrong.append(f"{row.operation} and {row.peer} differ by {apart:.1e}")
    if not only or "growth" in only:
        growth.main(seconds)
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
