"""A small U-Net that learns a denoiser, and the one form in which it sees every process.

Only the signal-to-noise ratio of a mode matters: divided by r = √(α² + σ²) mode by mode, the state
of any process is that of a variance-preserving one,

    B ũ = B u / r = a B u_0 + s B ε,   a = α/r,  s = σ/r,  a² + s² = 1.

The network sees ũ and predicts v = a ε − s u_0 per mode, so that D = a ũ − s v: nothing is divided
by a gain, and where α = 0 the network predicts the image itself (up to its sign). It is told the
`clock`, one log-SNR for all modes. Processes with the same SNR per mode share their weights.
"""

import dataclasses
import hashlib
import json
import math
import os
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from . import _arrays, _data, _files, clock, families, images
from ._arrays import Array, Times
from .laws import image_of, modes_of, scale
from .processes import Process

WAVES, RANGE = 16, 20.0  # sines of the clock, and where it is cut off on either side
GROUPS, HEADS = 8, 4
CHUNK = 250  # images that go through the network at a time


class UNet(nn.Module):
    """A U-Net on two scales, half and a quarter of the image's: v of states ũ, at their clocks.

    `widths`: channels at both scales, multiples of 8. `channels` C ≥ 1 of the image. `labels`: how
    many classes it can be told, 0 for none. (64, 96) has 1.8 million parameters. Works on grids
    whose sides are multiples of 4. Raises TypeError, ValueError. Source: Ronneberger, Fischer and
    Brox 2015; residual blocks told the noise level: Ho et al. 2020.

    >>> network = UNet((16, 24), labels=10)
    >>> network(torch.zeros(5, 1, 8, 12), torch.zeros(5), torch.arange(5)).shape
    torch.Size([5, 1, 8, 12])
    """

    def __init__(self, widths: tuple[int, int] = (64, 96), channels: int = 1, labels: int = 0):
        super().__init__()
        self.widths = wide, wider = _arrays.grid(widths, "widths")
        for width in self.widths:
            if width % GROUPS:
                needed = f"multiples of {GROUPS}"
                raise ValueError(f"widths is {self.widths}; needed: {needed}")
        self.channels = _arrays.count(channels, "channels")
        self.labels = _arrays.count(labels, "labels", least=0)
        told = 2 * wide
        self.clock = nn.Sequential(nn.Linear(2 * WAVES, told), nn.SiLU(), nn.Linear(told, told))
        self.label = nn.Embedding(self.labels + 1, told)  # the last stands for "not told"
        self.stem = _conv(4 * self.channels, wide)
        self.down = nn.ModuleList([_Block(wide, wide, told) for _ in range(2)])
        self.coarser = nn.Conv2d(wide, wider, 3, stride=2, padding=1)
        self.low_down = nn.ModuleList([_Block(wider, wider, told) for _ in range(2)])
        self.before, self.middle = _Attention(wider), _Block(wider, wider, told)
        self.after = _Attention(wider)
        self.low_up = nn.ModuleList([_Block(2 * wider, wider, told) for _ in range(2)])
        self.finer = _conv(wider, wide)
        self.up = nn.ModuleList([_Block(2 * wide, wide, told) for _ in range(2)])
        self.head = nn.Sequential(nn.GroupNorm(GROUPS, wide), nn.SiLU(), _conv(wide, 4 * channels))
        self.draw()

    def draw(self, generator: torch.Generator | None = None) -> None:
        """New weights from the `generator`: blocks are the identity, and v is 0."""
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                bound = part.weight[0].numel() ** -0.5  # one over the root of the inputs
                nn.init.uniform_(part.weight, -bound, bound, generator)
                nn.init.uniform_(part.bias, -bound, bound, generator)
            elif isinstance(part, nn.GroupNorm):
                nn.init.ones_(part.weight)
                nn.init.zeros_(part.bias)
        nn.init.normal_(self.label.weight, std=0.02, generator=generator)
        blocks = [part for part in self.modules() if isinstance(part, (_Block, _Attention))]
        for last in (self.head[-1], *(x for part in blocks for x in part.starts_at_zero())):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(
        self, u: torch.Tensor, clock: torch.Tensor, label: torch.Tensor | None = None
    ) -> torch.Tensor:
        """v (n, C, H, W) of states `u` (n, C, H, W) at `clock` (n,); `label` (n,): integers 0, ...,
        labels − 1, or `labels` where it is not told; None: nowhere. ValueError, naming it, for what
        does not fit."""
        self._refuse(u, clock, label)
        waves = clock.clamp(-RANGE, RANGE)[:, None] * self._frequencies(u)
        told = self.clock(torch.cat([torch.cos(waves), torch.sin(waves)], 1))
        label = torch.full_like(clock, self.labels, dtype=torch.long) if label is None else label
        told = functional.silu(told + self.label(label))
        x, kept = self.stem(functional.pixel_unshuffle(u, 2)), []
        for block in self.down:
            kept.append(x := block(x, told))
        x = self.coarser(x)
        for block in self.low_down:
            kept.append(x := block(x, told))
        x = self.after(self.middle(self.before(x), told))
        for block in self.low_up:
            x = block(torch.cat([x, kept.pop()], 1), told)
        x = self.finer(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        for block in self.up:
            x = block(torch.cat([x, kept.pop()], 1), told)
        return functional.pixel_shuffle(self.head(x), 2)

    def _refuse(self, u, clock, label):
        """ValueError naming the argument that does not fit."""
        if u.ndim != 4 or u.shape[1] != self.channels or u.shape[2] % 4 or u.shape[3] % 4:
            needed = f"(n, {self.channels}, H, W), with sides that 4 divides"
            raise ValueError(f"u has shape {tuple(u.shape)}; needed: {needed}")
        if clock.shape != u.shape[:1]:
            needed = f"({len(u)},), one for each image"
            raise ValueError(f"clock has shape {tuple(clock.shape)}; needed: {needed}")
        if label is None:
            return
        if label.shape != u.shape[:1] or label.dtype not in (torch.int32, torch.int64):
            found = f"shape {tuple(label.shape)} and dtype {label.dtype}"
            raise ValueError(f"label has {found}; needed: whole numbers ({len(u)},)")
        low, high = _arrays.extent(label)
        if low < 0 or high > self.labels:
            needed = f"at most {self.labels} of a network with as many labels, and >= 0"
            raise ValueError(f"label holds {low if low < 0 else high}; needed: {needed}")

    @staticmethod
    def _frequencies(u):
        return torch.arange(1, WAVES + 1, device=u.device, dtype=u.dtype) * (math.pi / (2 * RANGE))


def _conv(before, after):
    return nn.Conv2d(before, after, 3, padding=1)


class _Block(nn.Module):
    """A residual block whose second normalisation is scaled and shifted by what it is told."""

    def __init__(self, before, after, told):
        super().__init__()
        self.norm, self.first = nn.GroupNorm(GROUPS, before), _conv(before, after)
        self.told, self.scaled = nn.Linear(told, 2 * after), nn.GroupNorm(GROUPS, after)
        self.last = _conv(after, after)
        self.skip = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def starts_at_zero(self):
        return self.told, self.last

    def forward(self, x, told):
        gain, shift = self.told(told)[:, :, None, None].chunk(2, 1)
        y = self.first(functional.silu(self.norm(x)))
        y = torch.addcmul(shift, self.scaled(y), 1 + gain)
        return self.skip(x) + self.last(functional.silu(y))


class _Attention(nn.Module):
    """Every pixel looks at all others."""

    def __init__(self, width):
        super().__init__()
        self.norm, self.query = nn.GroupNorm(GROUPS, width), nn.Conv2d(width, 3 * width, 1)
        self.last = nn.Conv2d(width, width, 1)

    def starts_at_zero(self):
        return (self.last,)

    def forward(self, x):
        n, c, h, w = x.shape
        parts = self.query(self.norm(x)).reshape(n, 3 * HEADS, c // HEADS, h * w)
        query, key, value = parts.transpose(-1, -2).chunk(3, 1)
        seen = functional.scaled_dot_product_attention(query, key, value)
        return x + self.last(seen.transpose(-1, -2).reshape(n, c, h, w))


# -- one form for every process


def reduced(process: Process, t: Times) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(a, s, r) of a `process`, per mode at times `t`: r = √(α² + σ²), a = α/r and s = σ/r.

    ValueError where α = σ = 0: nothing is left there.
    """
    alpha, sigma = process.signal(t), process.noise(t)
    size = torch.hypot(*torch.broadcast_tensors(alpha, sigma))  # squares may leave the range
    if not (size > 0).all():
        raise ValueError(f"t is {_arrays.shown(_arrays.times(t))}; needed: α_t > 0 or σ_t > 0")
    return alpha / size, sigma / size, size


@dataclasses.dataclass(frozen=True)
class NetworkDenoiser:
    """D(u, t) ≈ E[U_0 | U_t = u] of a `network` for a `process`: in modes D = a ũ − s v.

    `network`: a `UNet`, `process`: a `Process`. `u`: image (..., H, W), with C > 1 channels
    (..., C, H, W); t as everywhere. `label`: one class, or one for each image, along the leading
    axes of the batch; None: not told. `guidance` w: D + w (D of the label − D), at w = 1 that of
    the label (Ho and Salimans 2022). `about` and `log`: what is known of the training. In the
    network's precision inside, float32 as a rule; gradients pass. Raises TypeError, ValueError.
    """

    network: UNet = dataclasses.field(repr=False)
    process: Process
    label: Any = None
    guidance: float = 1.0
    about: dict = dataclasses.field(default_factory=dict, repr=False)
    log: dict = dataclasses.field(default_factory=dict, repr=False)

    def __post_init__(self):
        _arrays.instance(self.network, UNet, "network")
        _arrays.instance(self.process, Process, "process")
        _arrays.number(self.guidance, "guidance")
        if self.label is not None:
            low, high = _arrays.extent(label := _arrays.to_torch(self.label, "label"))
            whole = not (label.is_floating_point() or label.is_complex())
            if not whole or label.dtype == torch.bool or low < 0 or high >= self.network.labels:
                needed = f"whole numbers >= 0 below the network's {self.network.labels} labels"
                raise ValueError(f"label is {_arrays.shown(label)}; needed: {needed}")

    def told(self, label: int | Array | None, guidance: float = 1.0) -> "NetworkDenoiser":
        """The same denoiser, told a `label`, with this `guidance`."""
        return dataclasses.replace(self, label=label, guidance=guidance)

    def __call__(self, u: Array, t: Times) -> torch.Tensor:
        basis, t, channels = self.process.basis, _arrays.times(t), self.network.channels
        u = basis.image(u)
        inner = 2 if channels == 1 else 3
        if u.ndim < inner or inner == 3 and u.shape[-3] != channels:
            needed = f"colour images (..., {channels}, H, W)"
            raise ValueError(f"u has shape {tuple(u.shape)}; needed: {needed}")
        while t.ndim > u.ndim - inner and t.shape[0] == 1:
            t = t[0]
        u = u.expand(*t.shape, *u.shape) if u.ndim == inner else u
        batch = u.shape[:-inner]
        of_state, of_velocity, size = reduced(self.process, t)
        state = modes_of(basis, u) / _arrays.spread(size, u.shape).to(u)
        ell = clock.log_snr(self.process, tuple(u.shape[-2:]), t)
        v = self._velocity(image_of(basis, state), *self._spread(batch, ell, self.label))
        return image_of(basis, scale(of_state, state) - scale(of_velocity, modes_of(basis, v)))

    @staticmethod
    def _spread(batch, ell, label):
        """The clock and the label of each image of a batch, (n,)."""
        found = [ell] if label is None else [ell, _arrays.to_torch(label, "label").long()]
        for i, x in enumerate(found):
            try:
                x = x.reshape((*x.shape, *[1] * (len(batch) - x.ndim))).expand(batch)
            except RuntimeError:
                needed = f"the leading axes of the batch {tuple(batch)}, or one label"
                raise ValueError(f"label has shape {tuple(x.shape)}; needed: {needed}") from None
            found[i] = x.reshape(-1)
        return found[0], None if label is None else found[1]

    def _velocity(self, state, ell, label):
        """v of states (..., [C,] H, W), in chunks, in its precision whatever the caller's."""
        like = next(self.network.parameters())
        images = state.reshape(-1, self.network.channels, *state.shape[-2:]).to(like)
        ell, label = ell.to(like), None if label is None else label.to(like.device)
        parts = []
        with torch.autocast(like.device.type, enabled=False):
            for k in range(0, len(images), CHUNK):
                x, l = images[k : k + CHUNK], ell[k : k + CHUNK]
                if label is None or self.guidance != 1:
                    v = self.network(x, l)
                if label is not None:
                    told = self.network(x, l, label[k : k + CHUNK])
                    v = told if self.guidance == 1 else v + self.guidance * (told - v)
                parts.append(v)
        return torch.cat(parts).reshape(state.shape).to(state)


# -- weights in files


def brightness(u: Array) -> Array:
    """Images `u` in [−1, 1] as positive ones in [1/128, 2], the starts of osmotic diffusion.

    `grey` leads back. ValueError for values outside by more than rounding.

    >>> brightness(torch.tensor([[-1.0, 1.0]]))
    tensor([[0.0078, 2.0000]])
    """
    return 2 * images.as_positive(u)


def grey(b: Array) -> Array:
    """Images in [−1, 1] of their `brightness` `b`; values outside lead outside. ValueError.

    >>> grey(torch.tensor([[1 / 128, 2.0]]))
    tensor([[-1.,  1.]])
    """
    return images.from_positive(_arrays.image(b, "b") / 2)


def _osmotic(shape):
    """Towards the mean of the shipped training images, in brightness; blurs to a width of 24."""
    if tuple(shape) != SIDES:
        needed = f"{SIDES}, as osmotic drifts to a picture of clothes; else dpss.training.train"
        raise ValueError(f"images has shape (n, {shape[0]}, {shape[1]}); needed: {needed}")
    mean = brightness(images.fashion("train")[0].astype(np.float64)).mean(0)
    return families.osmotic(mean, 300.0, sigma=1.0, rise=0.25)


SIDES = 28, 28  # of the images of the shipped weights
TRAINED = {  # name: the process it is trained for, on images of a shape
    "vp": lambda _: families.vp(),
    "heat": lambda shape: families.heat(shape, sigma=0.02),
    "blurring": families.blurring,
    "osmotic": _osmotic,
}
UNITS = {name: (lambda u: u, lambda u: u) for name in TRAINED}  # of its images, and back to [−1, 1]
UNITS["osmotic"] = brightness, grey
FINGERPRINT = (0.1, 0.3, 0.5, 0.7, 0.9)  # times
ARCHITECTURE = "widths", "channels", "labels"


def load(name: str | os.PathLike, process: Process | None = None) -> NetworkDenoiser:
    """The denoiser with the shipped weights `name`, or of a file.

    Names: "vp", "heat", "blurring", trained on Fashion-MNIST, images (..., 28, 28) in [−1, 1], and
    "osmotic", trained on their `brightness`: see the cards in data/weights. "vp" can be told one of
    ten classes. `process`: None for that of the training, `dpss.vp()`, `dpss.heat((28, 28),
    sigma=0.02)`, `dpss.blurring((28, 28))`, or `dpss.osmotic` towards the mean brightness, with
    t_max=300, sigma=1 and rise=¼; another one is right if it has the same SNR per mode, and so
    every process that treats all modes alike serves with "vp".
    `name` may be a path to the weights.npz of `training.train`, which needs its `process`. Of
    shipped weights `about["measured"]` has Fréchet distances and nearest neighbours of samples, by
    data/distances.py. Reading executes no code. Raises ValueError for an unknown name, a file that
    is damaged, of another kind or has another checksum than data/sources.toml, for measurements of
    other weights, and for a process that does not fit; FileNotFoundError, TypeError.

    >>> D = load("vp")
    >>> D(torch.zeros(3, 28, 28), 0.5).shape, D.told(7)(torch.zeros(3, 28, 28), 0.5).shape
    (torch.Size([3, 28, 28]), torch.Size([3, 28, 28]))
    """
    shipped = isinstance(name, str) and name in TRAINED
    if shipped:
        where, process = f"data/weights/{name}.npz", process or TRAINED[name](SIDES)
        content = _data.read(f"weights/{name}.npz")
    else:
        path = _files.path(name, "name")
        if not path.is_file():
            needed = f"one of {', '.join(TRAINED)}, or a weight file"
            raise FileNotFoundError(f"name is {str(name)!r}, no file; needed: {needed}")
        if process is None:
            raise ValueError("process is None; needed: the process that the weights were made for")
        where, content = str(path), path.read_bytes()
    _arrays.instance(process, Process, "process")
    denoiser = _unpack(content, where, process)
    if shipped and f"weights/{name}.json" in _data.registry():  # they are measured after all else
        denoiser.about["measured"] = _measured(name, content)
    return denoiser


def _measured(name, content):
    """What data/distances.py measured of the shipped weights `name`, whose file holds `content`."""
    found = json.loads(_data.read(f"weights/{name}.json"))
    needed = hashlib.sha256(content).hexdigest()
    if found["weights"] != needed:
        was = f"data/weights/{name}.json is about weights with sha256 {found['weights']}"
        raise ValueError(f"{was}; needed: {needed}. Measure {name}.npz by data/distances.py")
    return found


def pack(denoiser: NetworkDenoiser) -> bytes:
    """A weight file of `denoiser`: float16 weights, what is known of them, and its log."""
    weights = denoiser.network.state_dict().items()
    arrays = {f"weights/{name}": w.half().cpu().numpy() for name, w in weights}
    arrays |= {f"log/{name}": np.asarray(values) for name, values in denoiser.log.items()}
    arrays["log_snr"] = fingerprint(denoiser.process)
    return _files.packed(arrays, denoiser.about)


def fingerprint(process: Process) -> np.ndarray:
    """log SNR per mode of a `process` at five times, cut off at ±40: what weights are made for."""
    log_snr = process.log_snr(torch.tensor(FINGERPRINT, dtype=torch.float32, device="cpu")).clamp(
        -2 * RANGE, 2 * RANGE
    )
    return log_snr.numpy().astype(np.float32)


def frozen(about: dict, weights: dict[str, torch.Tensor]) -> UNet:
    """The network that `about` describes, with these `weights`, which no longer change."""
    return _filled(_hollow(about), weights)


def _hollow(about):
    with torch.device("meta"):  # no weights are drawn, and torch's generator stays where it is
        return UNet(*(about[key] for key in ARCHITECTURE))


def _filled(network, weights):
    network.load_state_dict(weights, assign=True)
    return network.requires_grad_(False).eval()


@torch.inference_mode(False)  # gradients may pass through the network later
def _unpack(content, where, process):
    """The denoiser of a weight file, for `process`."""
    arrays, about = _files.unpacked(content, where)
    needed = "needed: a weight file of dpss.training"
    trained = arrays.get("log_snr", np.empty(0, object))
    if not {*ARCHITECTURE} <= {*about} or trained.dtype.kind != "f":
        raise ValueError(f"{where} does not say of which network it is; {needed}")
    try:
        network = _hollow(about)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"{where} names a network that cannot be ({error}); {needed}") from None
    weights = {}
    for name, like in network.state_dict().items():
        found = arrays.get(f"weights/{name}", np.empty(0))
        if found.shape != like.shape or found.dtype.kind != "f" or not np.isfinite(found).all():
            what = f"{name} with shape {found.shape} and dtype {found.dtype}, or not finite"
            raise ValueError(f"{where} has {what}; needed: finite numbers {tuple(like.shape)}")
        weights[name] = torch.from_numpy(found.astype(np.float32))
    mine = fingerprint(process)
    alike = trained.shape == mine.shape and np.allclose(trained, mine, rtol=1e-3, atol=1e-3)
    flat = trained.shape[-2:] == mine.shape[-2:] == (1, 1)
    if not (alike or flat):
        needed = "one with the SNR per mode of the training"
        was = about.get("process", "another process")
        raise ValueError(
            f"process is {process.name}, the weights of {where} are for {was}; needed: {needed}"
        )
    log = {k.removeprefix("log/"): x for k, x in arrays.items() if k.startswith("log/")}
    return NetworkDenoiser(_filled(network, weights), process, about=about, log=log)
