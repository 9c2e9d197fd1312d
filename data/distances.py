"""Measure trained weights and write them, with what was measured, into data/weights/:

    python data/distances.py FOLDER

FOLDER holds vp/weights.npz, heat/weights.npz and blurring/weights.npz (those there are), as
`python -m dpss.training` leaves them in its --into. For each sampler, five seeds: the Fréchet
distance of 1,000 samples to all 60,000 training images of Fashion-MNIST, in the features of
`dpss.features`, samples clipped to [−1, 1]. Heat starts from the test images of `fashion.npz`,
blurred to the end. A quarter of an hour a process on two cores. Writes a model card beside each
file and prints the checksums for sources.toml. Files are written whole.
"""

import argparse
import functools
import hashlib
import pathlib

import numpy as np
import torch
from rebuild import HERE

from dpss import _files, clock, images, measures, network, reverse

COUNT, SEEDS = 1000, (1, 2, 3, 4, 5)
WAYS = {  # name: (sampler, steps, evaluations)
    "DDIM": (functools.partial(reverse.sample, eta=0.0), 20, 20),
    "DDIM, 40": (functools.partial(reverse.sample, eta=0.0), 40, 40),
    "exponential": (reverse.exponential, 20, 20),
    "exponential, 40": (reverse.exponential, 40, 40),
    "Heun": (reverse.flow, 20, 39),
    "ancestral": (reverse.sample, 40, 40),
}
FIT = 273  # distance of a Gaussian fit: GaussianPrior.fit in cosines, 1,000 draws
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


CARD = """# {name}.npz

A denoiser of Fashion-MNIST for {process}: a small U-Net that predicts the velocity (`dpss.network`,
page *learning*), {parameters:,} weights as float16. `dpss.network.load("{name}")` reads it.

| | |
|---|---|
| data | Fashion-MNIST (MIT licence, Zalando SE), all 60,000 training images, {labels} |
| training | {iterations:,} iterations of {batch} images, {images:.2f} million in all |
| arithmetic, seed | {precision}, {seed} |
| time | {minutes:.0f} minutes on two cores of a shared machine |
| last loss | {loss:.4f} |

**To make it again:** `python data/whole.py PACKAGE.deb --into FOLDER` (the package of
`sources.toml`), then

    python -m dpss.training {process} --images FOLDER/fashion-all.npz --into runs/{name} {flags} \\
        --iterations {iterations} --batch {batch} --rate {rate:g} --seed {seed} \\
        --precision {precision} --distance --every {every}
    python data/distances.py runs

Another machine or number of threads rounds differently and makes other weights, about as good.

**Fréchet distances** of 1,000 samples to all 60,000 training images in the 64 features of
`dpss.features`, samples clipped to [−1, 1], mean and range over the seeds {seeds}. A Gaussian
fit to the data has 273, noise 419, 1,000 test images 1.1 to 2.4.

| sampler | evaluations | distance | share of the Gaussian fit |
|---|---|---|---|
{rows}

**Limits.** It knows clothes of 28×28 pixels and nothing else. {start}Fine patterns of cloth are
smeared, and rare pieces are rarer than in the data. It was trained on pictures of ten kinds of
clothes by one shop; nothing about people is in it.
"""
STARTS = {
    "heat": "Its samples start from test images blurred to the end, so that their coarse "
    "structure is given. "
}


def card(name, learned):
    """The model card of a file, from what it says of itself."""
    about, log = learned.about, learned.log
    rows = [
        f"| {way} | {found['evaluations']} | {np.mean(found['distances']):.1f} "
        f"({min(found['distances']):.1f} to {max(found['distances']):.1f}) | "
        f"{np.mean(found['distances']) / FIT:.3f} |"
        for way, found in about["measured"].items()
        if way != "fifty"
    ]
    told = f"labels told for a share {1 - about['untold']:g}" if about["labels"] else "no labels"
    return CARD.format(
        **{key: about[key] for key in ("process", "iterations", "batch", "precision", "seed")},
        name=name,
        rate=about["rate"],
        parameters=sum(w.numel() for w in learned.network.parameters()),
        labels=told,
        flags="" if about["labels"] else "--unlabelled",
        images=about["done"] * about["batch"] / 1e6,
        minutes=about["seconds"] / 60,
        loss=log["loss"][-1],
        every=int(log["iteration"][0]),
        seeds=f"{SEEDS[0]} to {SEEDS[-1]}",
        rows="\n".join(rows),
        start=STARTS.get(name, ""),
    )


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
        _files.write(options.into / f"{name}.md", card(name, learned).encode())
        print(hashlib.sha256(content).hexdigest(), f"weights/{name}.npz")


if __name__ == "__main__":
    main()
