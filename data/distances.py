"""Measure the shipped weights NAME, into data/weights/NAME.json, and write their card, NAME.md:

    python data/distances.py NAME --images FOLDER/fashion-all.npz
    python data/distances.py NAME   # the card alone, of what was measured before

For each sampler, five seeds: the Fréchet distance of 1,000 samples, clipped to [−1, 1], to all
60,000 training images of Fashion-MNIST, in the features of `dpss.features`. Then how near the
samples are to the training images, which `whole.py` writes to FOLDER. What does not start from
noise alone (`dpss.reverse.start`: heat, osmotic) starts from the test images of `fashion.npz`. The
weights are those that sources.toml knows. Prints the checksum of NAME.json for sources.toml; both
files are written whole.
"""

import argparse
import functools
import hashlib
import json

import numpy as np
import torch
from rebuild import HERE

from dpss import _data, _files, clock, images, measures, network, reverse, training
from dpss.bases import Cosines
from dpss.priors import GaussianPrior

COUNT, SEEDS = 1000, (1, 2, 3, 4, 5)
FEW = 50  # samples that a page draws again
WAYS = {  # name: (sampler, steps); each step evaluates the denoiser once
    "DDIM": (functools.partial(reverse.sample, eta=0.0), 20),
    "exponential": (reverse.exponential, 20),
    "exponential, 40": (reverse.exponential, 40),
}
PART = 10_000  # training images whose distances are computed at a time


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def distance(u):
    return measures.frechet_distance(u.clamp(-1, 1))


def drawn(learned, way, count, seed):
    """`count` samples (count, 28, 28) of a denoiser, in [−1, 1] if they are good."""
    process, generator = learned.process, seeded(seed)
    sampler, steps = WAYS[way]
    (into, back), u = network.UNITS[process.name], images.fashion("test")[0][:count]
    start = reverse.start(process, into(u), generator)
    return back(sampler(process, learned, start, clock.times(process, network.SIDES, steps)))


def nearest(u, whole):
    """Euclidean distance from each image of `u` to the nearest one of `whole`."""
    x, found = u.flatten(1), torch.full((len(u),), torch.inf)
    for part in whole.flatten(1).split(PART):
        squares = x.square().sum(1)[:, None] + part.square().sum(1) - 2 * x @ part.T
        found = torch.minimum(found, squares.amin(1))
    return found.clamp(min=0).sqrt()


def neighbours(u, whole):
    """How near samples `u` are to the training images, beside images that were held back."""
    of_samples = nearest(u.clamp(-1, 1), whole)
    of_tests = nearest(torch.from_numpy(images.fashion("test")[0]), whole)
    return {
        "samples": digits(of_samples.median()),
        "tests": digits(of_tests.median()),
        "nearer": digits((of_samples < of_tests.quantile(0.01)).double().mean()),
    }


def unit():
    """The mean distance of draws from a Gaussian fit: what shares are shares of."""
    fit = GaussianPrior.fit(torch.from_numpy(images.fashion("train")[0]), Cosines(network.SIDES))
    return np.mean([distance(fit.sample(COUNT, seeded(seed))) for seed in SEEDS])


def measured(learned, ways, whole):
    """What is stored of a denoiser, but for the file that it came from."""
    samplers = {}
    for way in ways:
        found = [digits(distance(drawn(learned, way, COUNT, seed))) for seed in SEEDS]
        samplers[way] = {"steps": WAYS[way][1], "distances": found}
        print(learned.process.name, way, found, flush=True)
    return {
        "count": COUNT,
        "seeds": SEEDS,
        "unit": digits(unit()),
        "real": digits(distance(torch.from_numpy(images.fashion("test")[0]))),
        "samplers": samplers,
        "fifty": digits(distance(drawn(learned, "DDIM", FEW, SEEDS[0])), 5),
        "neighbours": neighbours(drawn(learned, "DDIM", COUNT, SEEDS[0]), whole),
    }


def digits(x, count=4):
    return float(f"{float(x):.{count}g}")


# -- the card

CARD = """# {name}.npz

A denoiser of Fashion-MNIST for {process}: a small U-Net that predicts the velocity (`dpss.network`,
page *learning*), {parameters:,} weights as float16. `dpss.network.load("{name}")` reads it.

| | |
|---|---|
| data | Fashion-MNIST (MIT licence, Zalando SE), all 60,000 training images, {labels} |
| training | {iterations:,} iterations of {batch} images, {images:.2f} million in all |
| arithmetic, seed | {precision}, {seed} |
| time | {minutes:.0f} minutes, {machine} |
| last loss | {loss:.4f} |

**Fréchet distances** of {count:,} samples to all 60,000 training images in the 64 features of
`dpss.features`, samples clipped to [−1, 1]: mean and range over {seeds} seeds. {count:,} draws from
a Gaussian fit to the data have {unit:.0f}, which is the unit of the shares; the 1,000 test images
of `fashion.npz` have {real:.1f}.

| sampler | steps | distance | share |
|---|---|---|---|
{rows}

**Neighbours.** From a DDIM sample to the nearest of the 60,000 training images it is {samples:.2f}
in the median (Euclidean distance of grey values), from a test image {tests:.2f}; {nearer:.1f} % of
the samples have a nearer neighbour than 99 % of the test images have.

**Limits.** {limits}

**To make it again:** `python data/whole.py PACKAGE.deb --into FOLDER` (the package of
`sources.toml`), then

    python -m dpss.training {process} --images FOLDER/fashion-all.npz --into runs/{name} \\
        --widths {widths} {labelling} --iterations {iterations} \\
        --batch {batch} --rate {rate:g} --seed {seed} --precision {precision} \\
        --every {every} --distance{threads}

copy `runs/{name}/weights.npz` to `data/weights/{name}.npz`, put its SHA-256 into `sources.toml`,
and measure it:

    python data/distances.py {name} --images FOLDER/fashion-all.npz

The checksum that this prints goes into `sources.toml`, too. {remade}
"""
CLOTHES = """It knows pictures of 28×28 pixels of ten kinds of clothes, as one shop took them, and
nothing else; nothing about people is in it. Prints on cloth come out as blotches."""
LIMITS = {
    "vp": CLOTHES,
    "heat": f"""{CLOTHES} Its samples start from blurred test images,
whose coarse structure is given: its distances cannot be compared with those of the other weights.
Dark pieces come out ragged.""",
    "blurring": CLOTHES,
    "osmotic": f"""{CLOTHES} Bright cloth without prints has
dark blotches, too. Its states are brightnesses
(`dpss.network.brightness`), not grey values in [−1, 1]; `dpss.network.grey` leads back.
Its samples start from noise on the mean picture and from one number of a test image each, the mean
brightness: a little of what its distances measure is given.""",
}
OTHERS = """Another machine, number of threads or
version of the library rounds differently and makes other weights, about as good. The distances in
the log of the training were measured with other steps (at equal angles of the clock) and cannot be
compared with those above."""
REMADE = {
    "vp": """These weights began as torch's
default initialisation draws them from the seed. `UNet.draw` draws others, so that the command makes
other weights, about as good.""",
    "heat": OTHERS,
    "blurring": OTHERS,
    "osmotic": """Another machine, number of threads or
version of the library rounds differently and makes other weights, about as good. The distances in
the log of the training are those of 500 samples each and cannot be compared with those above.
Measured with `--samplers DDIM exponential`; left out, it measures a third one, and the checksum is
another.""",
}
MACHINES = {  # name: (what trained it, an option of the command)
    "vp": ("on two cores shared with other work", ""),
    "heat": ("one thread", " --threads 1"),
    "blurring": ("one thread", " --threads 1"),
    "osmotic": ("one thread", " --threads 1"),
}


def card(name, learned):
    """The model card of a weight file, from what it says of itself and what was measured."""
    about, log, found = learned.about, learned.log, learned.about["measured"]
    untold, (machine, threads) = about["untold"], MACHINES[name]
    labels = f"labels told for {100 * (1 - untold):.0f} % of the images"
    return CARD.format(
        **{key: about[key] for key in ("process", "iterations", "batch", "precision", "seed")},
        name=name,
        rate=about["rate"],
        widths=" ".join(map(str, about["widths"])),
        parameters=sum(w.numel() for w in learned.network.parameters()),
        labels=labels if about["labels"] else "no labels",
        labelling=f"--untold {untold:g}" if about["labels"] else "--unlabelled",
        images=about["done"] * about["batch"] / 1e6,
        minutes=about["seconds"] / 60,
        machine=machine,
        threads=threads,
        loss=log["loss"][-1],
        every=int(log["iteration"][0]),
        count=found["count"],
        seeds=len(found["seeds"]),
        unit=found["unit"],
        real=found["real"],
        rows="\n".join(row(way, x, found["unit"]) for way, x in sorted(found["samplers"].items())),
        samples=found["neighbours"]["samples"],
        tests=found["neighbours"]["tests"],
        nearer=100 * found["neighbours"]["nearer"],
        limits=LIMITS[name],
        remade=REMADE[name],
    )


def row(way, found, of):
    """A sampler's line of the table."""
    x = found["distances"]
    mean = f"{np.mean(x):.1f} ({min(x):.1f} to {max(x):.1f})"
    return f"| {way} | {found['steps']} | {mean} | {np.mean(x) / of:.3f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=network.TRAINED)
    parser.add_argument("--images", metavar="NPZ", help="those that the weights were trained on")
    parser.add_argument("--samplers", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    name, folder = options.name, HERE / "weights"
    if options.images is None:
        learned = network.load(name)
        if "measured" not in learned.about:
            raise SystemExit(f"--images is missing; needed, as {name} was never measured")
    else:
        content = _data.read(f"weights/{name}.npz")
        # by its path: under its name it would ask for what was measured of these very weights
        learned = network.load(folder / f"{name}.npz", network.TRAINED[name](network.SIDES))
        whole, _ = training._stored(options.images)
        if len(whole) != learned.about["count"]:
            needed = f"the {learned.about['count']:,} that {name} was trained on, by data/whole.py"
            raise SystemExit(f"--images {options.images} holds {len(whole):,}; needed: {needed}")
        found = measured(learned, options.samplers, torch.from_numpy(whole))
        learned.about["measured"] = {"weights": hashlib.sha256(content).hexdigest(), **found}
        stored = json.dumps(learned.about["measured"], sort_keys=True, indent=1) + "\n"
        _files.write(folder / f"{name}.json", stored.encode())
        print(hashlib.sha256(stored.encode()).hexdigest(), f"weights/{name}.json")
    _files.write(folder / f"{name}.md", card(name, learned).encode())


if __name__ == "__main__":
    main()
