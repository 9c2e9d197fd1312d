"""Measure ensembles of pictures on their ways to noise and back, into data/comparison.npz:

    python data/comparison.py --into FOLDER

Eight disjoint sets of 124 test images of `fashion.npz`, each with noise images of its own, under
seven evolutions and on five ways back, and six photographs (64×64) with four noise images each
under those that need no network. Writes one part to FOLDER for each ensemble, evolution and seed,
and skips those that are there already, so that it can be stopped and started again (and run twice
at a time, once with --backwards); then packs them and prints the checksum for sources.toml. Files
are written whole. `dpss.trajectories.measured` reads them.

Fréchet distances: features of `dpss.features`, to all 60,000 training images, pictures clipped to
[−1, 1]. Grey-value entropy: bins of width 3/64, whatever the range.
"""

import argparse
import hashlib
import json
import pathlib

import numpy as np
import torch
from rebuild import HERE
from tqdm import tqdm

import dpss
from dpss import _files, clock, diffusion, features, images, measures, network, osmosis, reverse

SEEDS = {"photographs": 4, "clothes": 8}  # how many
STATES = 29  # of a way there, and of osmosis back
STEPS = 20  # of a way back by a denoiser
OFFSET, CONTRAST = 6.0, 0.1  # of osmosis, of nonlinear diffusion
PARTS = (31, 62, 124)  # sizes of the subsets whose Fréchet distances are averaged
BANDS = 8  # of frequencies, equally wide
FEW = 25  # pictures of a learned way back that a page draws again
MARGIN = 0.1  # by which a course must leave the range of its ends
STATISTICS = (
    "mean", "variance", "bits", "start", "end",  # means over the pictures
    "mean spread", "variance spread", "bits spread", "start spread", "end spread",
    "share", "correlation", "coarse", "fine", "across",
)  # fmt: skip
TURNS = ("variance above", "variance below", "bits above", "bits below")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# -- ensembles and ways


def clothes(seed):
    """124 test images, others for each seed."""
    return torch.from_numpy(images.fashion("test")[0][seed::8][:124]).double()


def photographs(_seed):
    """The same six for each seed."""
    pictures = [images.photograph(name, grey=True) for name in images.names()]
    return torch.from_numpy(np.stack([u.reshape(64, 4, 64, 4).mean((1, 3)) for u in pictures]))


def noise(u, seed):
    """A noise image for each picture."""
    return torch.randn(u.shape, generator=seeded(seed), dtype=torch.float64)


def geometric(latest):
    """0 and times that double at equal distances, up to 2^latest squared pixels."""
    return np.concatenate([[0.0], 2.0 ** np.linspace(-7, latest, STATES - 1)])


def process(name, shape):
    """A process, and times on its way."""
    if name == "VP":
        return dpss.vp_cosine(), np.linspace(0, 1, STATES)
    if name == "VE":  # equal steps of arctan σ
        level = np.tan(np.linspace(0, np.arctan(50.0), STATES))
        times = 0.5 * np.log1p((level / 0.01) ** 2) / np.log(50 / 0.01)
        return dpss.ve(), times.clip(0, 1)
    found = network.TRAINED[name](shape)
    return found, clock.times(found, shape, STATES - 1).flip(0).numpy()


def passed(process, u, e, times):
    """The states α u + σ ε, in modes."""
    c, e = process.basis.analyse(u), process.basis.analyse(e)
    for t in map(float, times):
        yield process.basis.synthesise(process.signal(t) * c + process.noise(t) * e)


def step_by_step(u, times, move):
    """States of a filter that is a semigroup: `move(u, t)`."""
    for before, after in zip([0.0, *times], times):
        u = move(u, float(after - before)) if after > before else u
        yield u


def blown(u, guidance, times):
    """Osmosis of u towards a guidance, or towards one for each picture."""
    drift = osmosis.canonical_drift(guidance + OFFSET)
    for state in step_by_step(u + OFFSET, times, lambda x, t: osmosis.evolve(x, drift, t)):
        yield state - OFFSET


def ways(kind, seed):
    """Name -> function that returns (times, states)."""
    u = {"clothes": clothes, "photographs": photographs}[kind](seed)
    shape, latest = tuple(u.shape[1:]), {"clothes": 10, "photographs": 12}[kind]
    late, e = geometric(latest), noise(u, seed)

    def stochastic(name):
        found, times = process(name, shape)
        return times, passed(found, u, e, times)

    def osmosis_back():
        start = osmosis.steady_state(u + OFFSET, osmosis.canonical_drift(e + OFFSET))
        return late, blown(start - OFFSET, u, late)

    found = {
        f"{name} there": lambda name=name: stochastic(name)
        for name in ("VP", "VE", "heat", "blurring")
    }
    found |= {
        "homogeneous there": lambda: (late, step_by_step(u, late, diffusion.homogeneous)),
        "nonlinear there": lambda: (late, step_by_step(u, late, nonlinear)),
        "osmosis there": lambda: (late, blown(u, e, late)),
        "osmosis back": osmosis_back,
    }
    if kind == "clothes":
        found["osmosis, one noise, there"] = lambda: (late, blown(u, e[0], late))
        names = ("memory", "VP", "heat", "blurring")
        found |= {f"{name} back": lambda name=name: sampled(name, u, seed) for name in names}
    return found


def nonlinear(u, t):
    return diffusion.nonlinear(u, t, CONTRAST)


def sampled(name, u, seed):
    """DDIM from noise, or for heat from blurred pictures u."""
    D = network.load("vp" if name == "memory" else name.lower())
    process = D.process
    if name == "memory":
        D = dpss.Empirical(torch.from_numpy(images.fashion("train")[0])).denoiser(process)
    times = clock.times(process, tuple(u.shape[1:]), STEPS)
    start = reverse.start(process, u.float(), seeded(seed))
    return times.numpy(), reverse.sample(process, D, start, times, eta=0.0, path=True)


# -- what is measured


def bits(u):
    """Grey-value entropy with bins of width 3/64 that cover the values."""
    doublings = max(0, int(np.ceil(np.log2(float(u.abs().max()) / 6))))
    half = 6.0 * 2**doublings
    return measures.entropy(u, bins=256 * 2**doublings, range=(-half, half))


def cosine(both, left, right):
    """The correlation, from the sums of u v, of u² and of v²."""
    return both / (left * right).sqrt().clamp(min=1e-300)


def alike(u, v):
    """Correlation of each picture of u with that of v, and of all together, less their means."""
    u, v = (x - x.mean((1, 2), keepdim=True) for x in (u, v))
    sums = [(a * b).sum((1, 2)) for a, b in ((u, v), (u, u), (v, v))]
    return cosine(*sums), cosine(*(x.sum() for x in sums))


def places(shape):
    """The band of each mode: BANDS of equal widths; the mean grey value is in none of them."""
    y, x = (torch.arange(n) / n for n in shape)
    place = ((y[:, None] ** 2 + x**2).sqrt() / 2**0.5 * BANDS).long().clamp(max=BANDS - 1)
    place[0, 0] = BANDS
    return place


def bands(u):
    """Mean power of the modes in each band."""
    power = dpss.Cosines(u.shape[1:]).analyse(u).square().mean(0).flatten()
    place = places(u.shape[1:]).flatten()
    count = torch.bincount(place, minlength=BANDS + 1)
    return (power.new_zeros(BANDS + 1).index_add(0, place, power) / count)[:BANDS]


def parts_alike(u, v):
    """Correlation of all pictures together in the modes of the lowest band, and in those of the
    others but the next."""
    c, d = (dpss.Cosines(x.shape[1:]).analyse(x).flatten(1) for x in (u, v))
    place = places(u.shape[1:]).flatten()
    for part in (place == 0, (place > 1) & (place < BANDS)):
        sums = ((a[:, part] * b[:, part]).sum() for a, b in ((c, d), (c, c), (d, d)))
        yield float(cosine(*sums))


def frechet(u):
    """Mean Fréchet distance of disjoint subsets, for each size."""
    seen = features.features(u.clamp(-1, 1).float()).numpy()
    mean, cov = features.reference()
    found = []
    for size in PARTS:
        parts = [seen[i : i + size] for i in range(0, len(seen), size)]
        found.append(np.mean([
            measures.gaussian_frechet(x.mean(0), np.cov(x, rowvar=False), mean, cov)
            for x in parts
        ]))  # fmt: skip
    return np.array(found)


def turns(course):
    """How many pictures leave the range of their ends, above and below; `course` (m, n)."""
    ends = course[[0, -1]]
    above = course.max(0) > ends.max(0) + MARGIN
    below = course.min(0) < ends.min(0) - MARGIN
    return [above.sum(), below.sum()]


def measured(states, kind, back):
    """Arrays of one way: a row for each state, and how many pictures turn round."""
    first, last = states[0], states[-1]
    picture = last if back else first
    whole, rows, powers, distances, courses = (first - last).norm(), [], [], [], []
    for u in states:
        starts, together = alike(u, first)
        each = torch.stack([u.mean((1, 2)), u.var((1, 2), correction=0), bits(u), starts,
                            alike(u, last)[0]])  # fmt: skip
        share, across = 1 - (u - last).norm() / whole, u.var(0, correction=0).mean()
        parts = parts_alike(u, picture)
        rows.append([*each.mean(1), *each.std(1), share, together, *parts, across])
        powers.append(bands(u).numpy())
        courses.append(each[1:3].numpy())
        if kind == "clothes":
            distances.append(frechet(u))
    courses = np.array(courses)
    return {
        "statistics": np.array(rows, np.float32),
        "bands": np.array(powers, np.float32),
        "turns": np.array(turns(courses[:, 0]) + turns(courses[:, 1])),
        "frechet": np.array(distances, np.float32),
        "few": courses_of_few(states),
    }


def courses_of_few(states):
    """Mean, variance and bits of the first FEW pictures, in the state in the middle."""
    u = states[len(states) // 2][:FEW]
    found = u.mean(), u.var((1, 2), correction=0).mean(), bits(u).mean()
    return np.array([float(x) for x in found], np.float32)


def scaled(times, states):
    """VE at the ratios of VP: its states, divided by α (E8)."""
    alpha = network.load("vp").process.signal(torch.as_tensor(times))
    return states / alpha[:, None]


# -- parts and the whole


def jobs():
    """(kind, name, seed), in the order in which they are packed."""
    for kind, count in SEEDS.items():
        for seed in range(count):
            yield from ((kind, name, seed) for name in ways(kind, seed))


def part(folder, kind, name, seed):
    return folder / f"{kind}, {name}, {seed}.npz"


def make(folder, kind, name, seed):
    """Write one part; VE back is VP back in other units, and is written before it."""
    times, states = ways(kind, seed)[name]()
    states, back = torch.stack([u.double() for u in states]), name.endswith("back")
    found = {name: states}
    if name == "VP back":
        found = {"VE back": scaled(times, states), name: states}
    for label, states in found.items():
        arrays = {**measured(states, kind, back), "times": np.asarray(times, np.float64)}
        _files.write(part(folder, kind, label, seed), _files.packed(arrays, {}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=pathlib.Path, required=True)
    parser.add_argument("--backwards", action="store_true", help="begin with the last part")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    listed = list(jobs())
    for job in tqdm(listed[::-1] if options.backwards else listed):
        if not part(options.into, *job).exists():
            make(options.into, *job)
    pack(options.into)


def pack(folder):
    """All parts that are listed, and no others, in one file."""
    whole = {}
    for kind, count in SEEDS.items():
        for name in [*ways(kind, 0), *["VE back"] * (kind == "clothes")]:
            paths = [part(folder, kind, name, seed) for seed in range(count)]
            parts = [_files.unpacked(path.read_bytes(), path.name)[0] for path in paths]
            for key in parts[0]:
                found = parts[0][key] if key == "times" else np.stack([x[key] for x in parts])
                if found.size:
                    whole[f"{kind}/{name}/{key}"] = found
    about = {
        "statistics": STATISTICS, "turns": TURNS, "parts": PARTS, "seeds": SEEDS,
        "offset": OFFSET, "contrast": CONTRAST, "few": FEW, "margin": MARGIN,
    }  # fmt: skip
    content = _files.packed(whole, json.loads(json.dumps(about)))
    _files.write(HERE / "comparison.npz", content)
    print(hashlib.sha256(content).hexdigest(), f"comparison.npz, {len(content) // 1000} kB")


if __name__ == "__main__":
    main()
