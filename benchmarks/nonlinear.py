"""Nonlinear diffusion: steps beside other libraries', evolutions beside other schemes."""

import numpy as np
import SimpleITK
from medpy.filter.smoothing import anisotropic_diffusion
from row import Row

from dpss import diffusion, images

STEPS, STEP, CONTRAST = 10, 0.2, 0.1


def padded(v):
    """One step of edge-enhancing diffusion as one first writes it: padded, eight neighbours."""
    height, width = v.shape

    def pad(x):
        return np.pad(x, 1, mode="edge")

    around = pad(v)
    gx, gy = (around[1:-1, 2:] - around[1:-1, :-2]) / 2, (around[2:, 1:-1] - around[:-2, 1:-1]) / 2
    square = gx**2 + gy**2 + np.float32(1e-12)
    g = 1 - np.exp(-3.31488 * (CONTRAST**2 / square) ** 4)
    a, b, c = (g * gx**2 + gy**2) / square, (g - 1) * gx * gy / square, (g * gy**2 + gx**2) / square
    along_x, along_y, mixed, sign = pad(a - np.abs(b)), pad(c - np.abs(b)), pad(np.abs(b)), pad(b)
    result = np.zeros_like(v)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if (dy, dx) != (0, 0):
                weight = (
                    along_x if dy == 0 else along_y if dx == 0 else 0.5 * (mixed + dy * dx * sign)
                )
                there = np.s_[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
                result += 0.5 * (weight[1:-1, 1:-1] + weight[there]) * (around[there] - v)
    return v + STEP * result


def padded_steps(u):
    for _ in range(STEPS):
        u = padded(u)
    return u


def rows():
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    small = images.photograph("camera")
    u = np.kron(small, np.ones((2, 2))).astype(np.float32)
    u += 0.05 * np.random.default_rng(0).standard_normal(u.shape).astype(np.float32)
    picture = SimpleITK.GetImageFromArray(u)

    def isotropic():
        return diffusion.nonlinear(
            u, STEPS * STEP, CONTRAST, "perona-malik", scheme="explicit", steps=STEPS
        )

    yield Row(
        "nonlinear, 10 steps, 512² float32",
        isotropic,
        "SimpleITK gradient anisotropic",
        lambda: SimpleITK.GradientAnisotropicDiffusion(
            picture,
            timeStep=0.125,
            conductanceParameter=1.0,
            conductanceScalingUpdateInterval=1,
            numberOfIterations=STEPS,
        ),
        10,
    )
    yield Row(
        "nonlinear, 10 steps, 512² float32",
        isotropic,
        "MedPy anisotropic_diffusion",
        lambda: anisotropic_diffusion(u, niter=STEPS, kappa=CONTRAST, gamma=0.1, option=2),
        1 / 1.15,
    )
    yield Row(
        "edge-enhancing, 10 steps, 512² float32",
        lambda: diffusion.edge_enhancing(
            u, STEPS * STEP, CONTRAST, presmoothing=0, scheme="explicit", steps=STEPS
        ),
        "padded NumPy",
        lambda: padded_steps(u),
        1.7,
    )
    reference = diffusion.nonlinear(small, 100.0, CONTRAST, steps=1000)

    def cheapest(scheme, candidates):
        """Steps with which the scheme is within 2e-3 of the reference, in the Euclidean norm."""
        for steps in candidates:
            gap = (
                diffusion.nonlinear(small, 100.0, CONTRAST, scheme=scheme, steps=steps) - reference
            )
            if np.linalg.norm(gap) <= 2e-3 * np.linalg.norm(reference):
                return steps
        raise ValueError(f"{scheme} is never close enough")

    fed, aos = cheapest("fed", range(10, 60)), cheapest("aos", range(100, 300, 5))

    def by_fed():
        return diffusion.nonlinear(small, 100.0, CONTRAST, steps=fed)

    yield Row(
        f"nonlinear to t = 100, 256², {fed} FED cycles",
        by_fed,
        "explicit scheme, 400 steps",
        lambda: diffusion.nonlinear(small, 100.0, CONTRAST, scheme="explicit", steps=400),
        5,
        2e-2,
    )
    yield Row(
        f"nonlinear to t = 100, 256², {fed} FED cycles",
        by_fed,
        f"AOS of equal error, {aos} steps",
        lambda: diffusion.nonlinear(small, 100.0, CONTRAST, scheme="aos", steps=aos),
        3,
        2e-2,
    )
