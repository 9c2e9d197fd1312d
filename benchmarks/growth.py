"""How cost grows with the number of pixels, and memory with the number of images."""

import pathlib
import subprocess
import sys

import numpy as np

from dpss import diffusion, osmosis

SIDES = (128, 256, 512, 1024)


def main(seconds):
    print("\nCPU time in ms at 128², 256², 512², 1024², and the exponent p of time ~ pixels^p")
    rng = np.random.default_rng(0)
    tasks = {
        "blur, t = 3": lambda u, v: lambda: diffusion.homogeneous(u, 3.0),
        "nonlinear diffusion, fed, t = 20": lambda u, v: lambda: diffusion.nonlinear(u, 20.0, 0.1),
        "osmosis, exact, t = 100": lambda u, v: (
            lambda: osmosis.evolve(u, osmosis.canonical_drift(v), 100.0)
        ),
        "osmosis, steady state, incompatible": lambda u, v: (
            lambda: osmosis.steady_state(u, cut(osmosis.canonical_drift(v)))
        ),
    }
    for name, task in tasks.items():
        taken = []
        for n in SIDES:
            u, v = rng.uniform(0.5, 1, (n, n)), rng.uniform(0.5, 1, (n, n))
            taken += seconds(task(u, v))
        slope = np.polyfit(np.log([n * n for n in SIDES]), np.log(taken), 1)[0]
        print(f"{name:40}" + "".join(f"{1e3 * t:10.1f}" for t in taken) + f"   p = {slope:.2f}")
    if not pathlib.Path("/proc/self/status").exists():  # Linux tells
        return
    print(
        "\nLargest memory of a process that denoises 64 images 28×28 with the empirical denoiser, "
        "above that of importing dpss"
    )
    base = peak("import dpss")
    for n in (1000, 4000, 10000, 40000):
        images = f"import torch, dpss; x = torch.rand({n}, 28, 28)"
        used = peak(images + "; p = dpss.vp(); D = dpss.Empirical(x).denoiser(p); D(x[:64], 0.5)")
        print(
            f"{n:6} images: {used - base:6.0f} MB, of which the images {n * 784 * 4 / 2**20:.0f} MB"
        )


def cut(drift):
    """The drift without its potential and with a line of zeros: no closed form."""
    dx = drift.dx.copy()
    dx[:, dx.shape[1] // 2] = 0
    return osmosis.Drift(drift.dy, dx)


def peak(code):
    """Largest resident memory of a Python process, in MB."""
    # not of resource.getrusage, where a child begins with the memory of its parent
    code += (
        "; print(next(line for line in open('/proc/self/status') if 'VmHWM' in line).split()[1])"
    )
    return (
        int(
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            ).stdout
        )
        / 2**10
    )
