"""Measure trained weights and write them, with what was measured, into data/weights/:

    python data/distances.py FOLDER

FOLDER holds vp/weights.npz, heat/weights.npz and blurring/weights.npz (those there are), as
`python -m dpss.training` leaves them in its --into. For each sampler, five seeds: the Fréchet
distance of 1,000 samples to all 60,000 training images of Fashion-MNIST, in the features of
`dpss.features`, samples clipped to [−1, 1]. Heat starts from the test images of `fashion.npz`,
blurred to the end. A quarter of an hour a process on two cores. Prints the checksums for
sources.toml. Files are written whole.
"""

import argparse
import hashlib
import pathlib

import numpy as np
import torch
from rebuild import HERE

from dpss import _files, clock, images, measures, network, reverse

COUNT, SEEDS = 1000, (1, 2, 3, 4, 5)
WAYS = {  # name: (sampler, steps, evaluations)
    "DDIM": (lambda *a, **k: reverse.sample(*a, eta=0.0, **k), 20, 20),
    "DDIM, 40": (lambda *a, **k: reverse.sample(*a, eta=0.0, **k), 40, 40),
    "exponential": (reverse.exponential, 20, 20),
    "exponential, 40": (reverse.exponential, 40, 40),
    "Heun": (reverse.flow, 20, 39),
    "ancestral": (reverse.sample, 40, 40),
}
DRAWS = {"ancestral"}  # samplers that need a generator


def drawn(learned, way, count, seed):
    """`count` samples (count, 28, 28), clipped to [−1, 1]."""
    process, generator = learned.process, torch.Generator().manual_seed(seed)
    sampler, steps, _ = WAYS[way]
    if process.name == "heat":
        start = torch.from_numpy(images.fashion("test")[0][:count])
        start = process.sample(start, 1.0, generator)
    else:
        start = process.steady_state((count, *network.SIDES)).sample(generator).float()
    options = {"generator": generator} if way in DRAWS else {}
    times = clock.times(process, network.SIDES, steps)
    return sampler(process, learned, start, times, **options).clamp(-1, 1)


def measured(learned):
    """What is stored: distances of each sampler; that of 50 samples, to draw again quickly."""
    found = {}
    variants = {"": learned}
    if learned.network.labels:
        labels = torch.arange(COUNT) % learned.network.labels
        variants |= {f", told w = {w:g}": learned.told(labels, w) for w in (1.0, 2.0)}
    for kind, denoiser in variants.items():
        for way in WAYS if not kind else ["DDIM"]:
            distances = [
                measures.frechet_distance(drawn(denoiser, way, COUNT, seed)) for seed in SEEDS
            ]
            found[way + kind] = {"evaluations": WAYS[way][2], "distances": distances}
            print(learned.process.name, way + kind, np.round(distances, 2), flush=True)
    fifty = measures.frechet_distance(drawn(learned, "DDIM", 50, SEEDS[0]))
    return {**found, "fifty": fifty}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--into", type=pathlib.Path, default=HERE / "weights")
    options = parser.parse_args()
    for name, process in network.TRAINED.items():
        path = options.folder / name / "weights.npz"
        if not path.exists():
            continue
        learned = network.load(path, process(network.SIDES))
        learned.about["measured"] = measured(learned)
        content = network.pack(learned)
        _files.write(options.into / f"{name}.npz", content)
        print(hashlib.sha256(content).hexdigest(), f"weights/{name}.npz")


if __name__ == "__main__":
    main()
