"""Training: least squares for v at random times, the same run on one process or on many.

What iteration i sees (images, times, noise) comes from the seed and i alone, is drawn for the whole
batch, and each process takes its share of it. So a run that was interrupted goes on bit for bit on
the same machine and number of threads, and a run on m processes differs from that on one by
rounding. A checkpoint holds all that is needed; it is written whole, every `every` iterations.

    python -m dpss.training vp --images all.npz --into runs/vp
    torchrun --nproc-per-node 2 -m dpss.training vp --images all.npz --into runs/vp
"""

import argparse
import contextlib
import functools
import hashlib
import math
import os
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from . import _arrays, _files, clock, images, reverse
from ._arrays import Array
from .laws import image_of, modes_of, scale
from .measures import frechet_distance
from .network import TRAINED, UNITS, NetworkDenoiser, UNet, fingerprint, frozen, pack, reduced
from .processes import Process

WARM_UP = 200  # iterations over which the rate rises
CLIP = 1.0  # largest norm of a gradient
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
CHECKPOINT, WEIGHTS = "checkpoint.npz", "weights.npz"
PARTS = "network", "mean", "first", "second"  # of a checkpoint: AdamW has two moments


def train(
    process: Process,
    images: Array,
    labels: Array | None = None,
    *,
    network: UNet | None = None,
    widths: tuple[int, int] = (64, 96),
    iterations: int = 1000,
    batch: int = 64,
    rate: float = 2e-3,
    averaging: float = 0.999,
    untold: float = 0.5,
    seed: int = 0,
    into: str | os.PathLike | None = None,
    every: int = 500,
    precision: str = "float32",
    measure: Callable[[NetworkDenoiser], float] | None = None,
    progress: bool = True,
) -> NetworkDenoiser:
    """Train a denoiser of `images` (n, H, W), for C > 1 channels (n, C, H, W), for a `process`.

    Minimises E |v(ũ, ℓ) − v|² with v and ũ as in `dpss.network`, over the images, the noise and
    times that are even in the angle arctan(e^{−ℓ/2}) of the clock ℓ. AdamW; the `rate` rises over
    the first iterations and falls as a cosine to 0 at the last one. The denoiser returned has
    the weights' running mean, of decay `averaging`. `labels` (n,), integers from 0: classes, not
    told for a share `untold` of the images. `network`: one to go on from, whose weights change;
    None: a `UNet` of these `widths`, from the `seed`. `batch` images an iteration, over all
    processes. `precision`: "bfloat16" where the machine has it, and float32 for what needs it.

    `into`: a folder for checkpoint.npz, every `every` iterations, and at last weights.npz (see
    `network.load`). Where it holds a checkpoint of the same settings, the run goes on from there;
    one of other settings is refused. `measure`: a function of the denoiser whose value is kept in
    the log, `denoiser.log`, once an interval, beside the mean loss. `progress`: draw a bar.

    Started by torchrun, every process trains on its share of each batch. Raises TypeError and
    ValueError for unsuitable arguments, FloatingPointError where the loss is no longer finite,
    OSError where a checkpoint cannot be written: the last one stays as it was. Source: Ho et al.
    2020; v: Salimans and Ho 2022.

    >>> from dpss import vp
    >>> D = train(vp(), torch.zeros(10, 8, 8), network=UNet((8, 8)), iterations=2, progress=False)
    >>> D(torch.zeros(3, 8, 8), 0.5).shape
    torch.Size([3, 8, 8])
    """
    every = _arrays.count(every, "every")
    if precision not in PRECISIONS:
        needed = ", ".join(map(repr, PRECISIONS))
        raise ValueError(f"precision is {precision!r}; needed: one of {needed}")
    if measure is not None:
        _arrays.function(measure, "measure")
    with _own_state():
        settings = {
            "iterations": _arrays.count(iterations, "iterations"),
            "batch": _arrays.count(batch, "batch"),
            "rate": _arrays.number(rate, "rate", above=0),
            "averaging": _arrays.share(averaging, "averaging"),
            "untold": _arrays.share(untold, "untold"),
            "seed": _arrays.count(seed, "seed", least=0),
            "precision": precision,
        }
        run = _Run(process, images, labels, network, widths, settings)
        folder = None if into is None else _folder(into)
        if folder and (folder / CHECKPOINT).exists():
            run.restore(folder / CHECKPOINT)
        with _processes(run) as world:
            _loop(run, world, folder, every, PRECISIONS[precision], measure, progress)
        return run.denoiser()


class _Run:
    """The state of a run, and what it was made of."""

    def __init__(self, process, images, labels, network, widths, settings):
        self.iterations, self.batch = settings["iterations"], settings["batch"]
        self.rate, self.averaging = settings["rate"], settings["averaging"]
        self.untold, self.seed = settings["untold"], settings["seed"]
        if self.batch < (size := _size()):
            needed = f"at least one image for each of {size} processes"
            raise ValueError(f"batch is {self.batch}; needed: {needed}")
        self.process = _arrays.instance(process, Process, "process")
        self.images, self.labels = _images(images), _labels(labels, len(images))
        self.shape = tuple(self.images.shape[-2:])
        process.basis.check(self.shape, "images")
        ends = clock.log_snr(process, self.shape, [clock.START, 1.0])
        self.ends = clock.angle(ends).tolist()
        channels, classes = _asked(self.images, self.labels)
        network = _fresh(self.seed, widths, channels, classes) if network is None else network
        self.network = _arrays.instance(network, UNet, "network")
        if network.channels != channels or network.labels < classes:
            found = f"{network.channels} channels and {network.labels} labels"
            raise ValueError(f"network has {found}; needed: {channels} and {classes}")
        if any(side % 4 for side in self.shape):
            raise ValueError(f"images has grids {self.shape}; needed: sides that 4 divides")
        kinds = {str(p.dtype) for p in network.parameters()}
        if kinds != {"torch.float32"}:
            needed = "torch.float32, see `precision` for another"
            raise ValueError(f"network has dtype {', '.join(sorted(kinds))}; needed: {needed}")
        network.requires_grad_(True)  # that of a denoiser is frozen
        self.device = next(network.parameters()).device
        self.mean = {name: p.detach().clone() for name, p in network.named_parameters()}
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=self.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.done, self.seconds = 0, 0.0
        self.log = {"iteration": [], "loss": [], "measure": []}
        self.about = {
            "process": process.name,
            "log_snr": _digest(fingerprint(process)),
            "images": _digest(self.images),
            "classes": None if self.labels is None else _digest(self.labels),
            "count": len(self.images),
            "shape": list(self.shape),
            "widths": list(network.widths),
            "channels": network.channels,
            "labels": network.labels,
            **settings,
        }

    def drawn(self, i):
        """What iteration i trains on: (images, times, noise, labels), for the whole batch."""
        n, place = len(self.images), i * self.batch + np.arange(self.batch)
        chosen = []  # a batch may end one epoch and begin the next
        for epoch in range(place[0] // n, place[-1] // n + 1):
            order = torch.randperm(n, generator=_generator(self.seed, 1, epoch))
            chosen.append(order[torch.from_numpy(place[place // n == epoch] % n)])
        chosen = torch.cat(chosen)
        u = self.images[chosen]
        generator = _generator(self.seed, 2, i)
        # one time in each of as many equal parts: less noise than times drawn one by one
        uniform = functools.partial(
            torch.rand, self.batch, generator=generator, dtype=torch.float32
        )
        share = torch.arange(self.batch) + uniform().double()
        first, last = self.ends
        t = clock.at(self.process, self.shape, first + (last - first) * share / self.batch)
        noise = torch.empty_like(u).normal_(generator=generator)
        label = None
        if self.labels is not None:
            hidden = uniform() < self.untold
            label = self.labels[chosen].masked_fill(hidden, self.network.labels)
        return u, t, noise, label

    def denoiser(self):
        """The denoiser with the mean weights, which changes no more."""
        weights = {name: mean.clone() for name, mean in self.mean.items()}
        about = {**self.about, "done": self.done, "seconds": round(self.seconds)}
        return NetworkDenoiser(frozen(about, weights), self.process, about=about, log=self.logged())

    def logged(self):
        return {name: np.array(values) for name, values in self.log.items()}

    def save(self, folder):
        state = self.optimiser.state_dict()["state"]
        arrays = {f"log/{name}": values for name, values in self.logged().items()}
        for k, (name, p) in enumerate(self.network.named_parameters()):
            parts = p, self.mean[name], state[k]["exp_avg"], state[k]["exp_avg_sq"]
            arrays |= {f"{part}/{name}": x.detach().cpu().numpy() for part, x in zip(PARTS, parts)}
        about = {"settings": self.about, "done": self.done, "seconds": self.seconds}
        _files.write(folder / CHECKPOINT, _files.packed(arrays, about))

    def restore(self, path):
        """Go on from a checkpoint."""
        arrays, about = _files.unpacked(path.read_bytes(), str(path))
        settings, needed = about.get("settings"), "needed: a whole checkpoint"
        if not isinstance(settings, dict):
            raise ValueError(f"{path} lacks settings; {needed}")
        for name, value in self.about.items():
            if settings.get(name) != value:
                found = f"{name} {settings.get(name)!r}, here it is {value!r}"
                needed = "needed: the same settings, or another folder"
                raise ValueError(f"into holds {path.name} of a run with {found}; {needed}")
        parts = {f"{part}/{name}": mean.shape for part in PARTS for name, mean in self.mean.items()}
        shapes = {name: x.shape for name, x in arrays.items() if x.dtype.kind in "fiu"}
        logged = {f"log/{name}": shapes.get("log/iteration") for name in self.log}
        for name, shape in {"done": (), "seconds": (), **logged, **parts}.items():
            if name not in about and (name not in shapes or shapes[name] != shape):
                raise ValueError(f"{path} lacks {name}; {needed}")
        state = {}
        with torch.no_grad():
            for k, (name, p) in enumerate(self.network.named_parameters()):
                parts = [arrays[f"{part}/{name}"] for part in PARTS]
                weight, mean, first, second = (torch.from_numpy(x).to(p) for x in parts)
                p.copy_(weight)
                self.mean[name].copy_(mean)
                step = torch.tensor(float(about["done"]), dtype=torch.float32)
                state[k] = {"step": step, "exp_avg": first, "exp_avg_sq": second}
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})
        self.log = {name: arrays[f"log/{name}"].tolist() for name in self.log}
        self.done, self.seconds = about["done"], about["seconds"]


def _loop(run, world, folder, every, precision, measure, progress):
    """All iterations that are left."""
    from tqdm.auto import tqdm

    module, rank, size = world
    mine = slice(rank * run.batch // size, (rank + 1) * run.batch // size)
    started, losses = time.monotonic() - run.seconds, []
    shown = progress and rank == 0
    bar = tqdm(total=run.iterations, initial=run.done, disable=not shown, unit="it")
    for i in range(run.done, run.iterations):
        loss = _iteration(run, module, i, mine, size, precision)
        if not math.isfinite(loss):
            raise FloatingPointError(_lost(f"the loss is {loss} at", i, folder))
        losses.append(loss)
        bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
        bar.update()
        if (i + 1) % every and i + 1 < run.iterations:
            continue
        run.done, run.seconds = i + 1, time.monotonic() - started
        if not all(torch.isfinite(p).all() for p in run.network.parameters()):
            raise FloatingPointError(_lost("a weight is not finite after", i, folder))
        if rank == 0:
            found = float("nan") if measure is None else float(measure(run.denoiser()))
            for name, value in zip(run.log, (i + 1, np.mean(losses), found)):
                run.log[name].append(value)
            if folder:
                run.save(folder)
        losses = []
    bar.close()
    if folder and rank == 0:
        _files.write(folder / WEIGHTS, pack(run.denoiser()))


def _lost(what, i, folder):
    where = f"; {folder} keeps the last checkpoint" if folder else ""
    return f"{what} iteration {i}; needed: a smaller rate, or float32{where}"


def _iteration(run, module, i, mine, size, precision):
    """One step of the optimiser; the mean loss over the whole batch."""
    decay = min(run.averaging, (1 + i) / (10 + i))  # soon forgets the weights of the start
    rising = min(1.0, (i + 1) / min(WARM_UP, run.iterations))
    for group in run.optimiser.param_groups:
        group["lr"] = run.rate * rising * 0.5 * (1 + math.cos(math.pi * i / run.iterations))
    images, t, noise, label = run.drawn(i)
    state, velocity = _pair(run.process, images[mine], t[mine], noise[mine])
    ell = clock.log_snr(run.process, run.shape, t[mine])
    state, velocity, ell = (x.to(run.device, torch.float32) for x in (state, velocity, ell))
    label = None if label is None else label[mine].to(run.device)
    grey = state.ndim == 3
    state, velocity = (x[:, None] if grey else x for x in (state, velocity))
    kind = run.device.type
    # without a cache: inside that of `_own_state` it would keep the weights of iteration 0
    with torch.autocast(kind, precision, enabled=precision is not None, cache_enabled=False):
        found = module(state, ell, label)
    # the mean over the whole batch is the mean of the processes' parts, if each is weighted
    share = len(state) * size / run.batch
    loss = share * (found.float() - velocity).square().mean()
    run.optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(run.network.parameters(), CLIP)
    run.optimiser.step()
    with torch.no_grad():
        weights = dict(run.network.named_parameters())
        torch._foreach_lerp_(list(run.mean.values()), [weights[n] for n in run.mean], 1 - decay)
    loss = loss.detach()
    if size > 1:
        torch.distributed.all_reduce(loss)
        loss = loss / size
    return loss.item()


def _pair(process, images, t, noise):
    """(ũ, v) of images at times t."""
    a, s, _ = reduced(process, t)
    u, e = modes_of(process.basis, images), modes_of(process.basis, noise)
    u, e = scale(a, u) + scale(s, e), scale(a, e) - scale(s, u)
    return image_of(process.basis, u), image_of(process.basis, e)


# -- inside


def _images(images):
    """Images as a float32 tensor on the CPU."""
    images = _arrays.tensor(images, "images")
    if images.ndim not in (3, 4):
        needed = "(n, H, W), or (n, C, H, W)"
        raise ValueError(f"images has shape {tuple(images.shape)}; needed: {needed}")
    return images.detach().to("cpu", torch.float32).contiguous()


def _labels(labels, n):
    if labels is None:
        return None
    labels = _arrays.to_torch(labels, "labels")
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    if not whole or labels.shape != (n,) or labels.long().min() < 0:
        found = f"shape {tuple(labels.shape)}, dtype {labels.dtype} and {_arrays.shown(labels)}"
        raise ValueError(f"labels has {found}; needed: whole numbers >= 0, shape ({n},)")
    return labels.cpu().long()


def _asked(images, labels):
    """The channels and the classes of what a network is to learn."""
    channels = 1 if images.ndim == 3 else images.shape[1]
    return channels, 0 if labels is None else int(labels.max()) + 1


def _folder(into):
    folder = _files.path(into, "into", "the name of a folder, or None")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _key(*numbers):
    low, high = np.random.SeedSequence(numbers).generate_state(2, np.uint32)
    return int(low) | int(high) << 32


def _generator(*numbers):
    """A generator for one purpose; torch would make the same of seeds that differ in high bits."""
    return torch.Generator().manual_seed(_key(*numbers))


def _fresh(seed, widths, channels, labels):
    """A network whose weights come from the seed alone."""
    with torch.device("meta"):  # torch's own generator, which threads share, stays where it is
        network = UNet(widths, channels, labels).float()
    network.to_empty(device="cpu").draw(_generator(seed, 0))
    return network


def _digest(values):
    return hashlib.sha256(np.asarray(values).tobytes()).hexdigest()


def _size():
    """The number of processes that torchrun started, or 1."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextlib.contextmanager
def _own_state():
    """What the caller has set does not change a run, nor does a run change it."""
    with contextlib.ExitStack() as own:
        if torch.get_default_device().type != "cpu":  # costs a tenth of the time
            own.enter_context(torch.device("cpu"))
        own.enter_context(torch.inference_mode(False))
        own.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda")[: 1 + torch.cuda.is_available()]:
            own.enter_context(torch.autocast(kind, enabled=False))  # backward would follow it
        yield


@contextlib.contextmanager
def _processes(run):
    """(network, rank, number of processes): as torchrun started them, else one."""
    size = _size()
    if size == 1:
        yield run.network, 0, 1
        return
    torch.distributed.init_process_group("nccl" if run.device.type == "cuda" else "gloo")
    try:
        module = nn.parallel.DistributedDataParallel(run.network)
        yield module, torch.distributed.get_rank(), size
    finally:
        torch.distributed.destroy_process_group()


# -- the command


def main(arguments: list[str] | None = None) -> None:
    """`python -m dpss.training`, with its `arguments`: see --help."""
    parser = argparse.ArgumentParser(
        prog="python -m dpss.training",
        description="Train a denoiser, or go on with it where FOLDER holds a checkpoint. Under "
        "torchrun on several processes: the same run, faster.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("process", choices=TRAINED, help="what the denoiser is for")
    add("--into", required=True, metavar="FOLDER", help="for checkpoint.npz and weights.npz")
    add(
        "--images",
        metavar="NPZ",
        help="images (n, H, W) in [-1, 1] or of type "
        "uint8, and, if there are any, labels (n,); without: the 4,000 of data/",
    )
    add("--untold", type=float, default=0.5, help="share of labels not told")
    add("--unlabelled", action="store_true", help="do not use the labels")
    add("--widths", type=int, nargs=2, default=(64, 96), help="of the network's two scales")
    add("--iterations", type=int, default=20_000, help="two hours on two cores, with 64 images")
    add("--batch", type=int, default=64, help="images an iteration, over all processes")
    add("--rate", type=float, default=2e-3, help="of AdamW, at its largest")
    add("--seed", type=int, default=1, help="of the first weights and of all draws")
    add("--every", type=int, default=1000, help="iterations from checkpoint to checkpoint")
    add("--precision", choices=PRECISIONS, default="float32", help="of layers that allow it")
    add("--threads", type=int, help="of each process")
    add("--device", default="cpu", help="as torch names it")
    add(
        "--distance",
        action="store_true",
        help="keep the Fréchet distance of 500 samples in the log (28×28 only)",
    )
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    u, labels = _stored(options.images)
    labels = None if options.unlabelled else labels
    if options.device == "cuda":  # one for each process of torchrun
        options.device += f":{os.environ.get('LOCAL_RANK', 0)}"
    try:
        process, (into, back) = TRAINED[options.process](u.shape[-2:]), UNITS[options.process]
        u = into(u)
        network = _fresh(options.seed, options.widths, *_asked(u, labels)).to(options.device)
        measure = functools.partial(_distance, process, u[:500], back) if options.distance else None
        train(
            process,
            u,
            labels,
            network=network,
            iterations=options.iterations,
            batch=options.batch,
            rate=options.rate,
            untold=options.untold,
            seed=options.seed,
            into=options.into,
            every=options.every,
            precision=options.precision,
            measure=measure,
        )
    except (ValueError, ArithmeticError, OSError) as error:
        raise SystemExit(f"{error}") from None
    if os.environ.get("RANK", "0") == "0":
        print(f"{options.into} holds {WEIGHTS}: dpss.network.load(path, process) reads it")


def _stored(path):
    """Images and labels, or None, of an .npz file."""
    if path is None:
        return images.fashion("train")
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = {name: file[name] for name in ("images", "labels") if name in file}
        return images.as_float(stored["images"]).astype(np.float32), stored.get("labels")
    except Exception as error:  # zipfile and NumPy raise what they like at damaged files
        needed = "an .npz file of images (n, H, W), perhaps with labels (n,)"
        raise SystemExit(f"--images {path}: {error!r}; needed: {needed}") from None


def _distance(process, u, back, denoiser):
    """Fréchet distance of as many samples as `u` has images, 20 deterministic steps each and
    `back` in [−1, 1], to the training images."""
    start = reverse.start(process, u, torch.Generator().manual_seed(0))
    times = clock.times(process, u.shape[-2:], 20)
    found = reverse.sample(process, denoiser, start, times, eta=0.0)
    return frechet_distance(back(found).clamp(-1, 1))


if __name__ == "__main__":
    main()
