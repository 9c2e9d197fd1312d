"""Certificate: which scale-space properties a forward process has, how large each defect is, and a witness where one fails.

"Holds" means for every law p_0 of images. So each property is decided by a condition on α_t(k) and σ_t(k), tested at many
times, and not by trying data; where it fails, the witness is data on which it is seen to fail.
"""

import html
import math
from dataclasses import dataclass
from typing import Callable, NamedTuple, Optional

import torch

from . import _arrays, measures
from .priors import GaussianPrior
from .processes import Process

TOLERANCE = 1e-9  # rounding of sums over some thousand modes
FORGOTTEN = 1e-2  # gain at t = 1 below which the image counts as forgotten: VP ends at 0.0066
TIMES = torch.cat([torch.tensor([0.0, 1e-6, 1e-4, 1e-3]), torch.linspace(0.005, 1, 200)]).double()


@dataclass(frozen=True)
class Witness:
    """A counterexample: `text` says what happens, `at` holds its numbers (mode, times, image), `replay()` computes it anew."""

    text: str
    at: dict
    replay: Callable

    def __str__(self):
        return self.text


class Row(NamedTuple):
    """One property: its name, whether it holds, the largest defect found, and a `Witness` where it fails (else None)."""

    property: str
    holds: bool
    defect: float
    witness: Optional[Witness]


class Certificate:
    """What `certify` finds: `rows`, and `holds(name)`. Prints as a table, in notebooks as one in HTML."""

    def __init__(self, name, rows):
        self.name, self.rows = name, tuple(rows)

    def holds(self, name):
        """Whether the property `name` holds; ValueError for an unknown one."""
        for row in self.rows:
            if row.property == name:
                return row.holds
        raise ValueError(
            f"name is {name!r}; needed: one of {', '.join(row.property for row in self.rows)}"
        )

    def __repr__(self):
        lines = [
            f"{row.property:22} {'holds' if row.holds else 'FAILS':6} {row.defect:8.1e}  {row.witness or ''}".rstrip()
            for row in self.rows
        ]
        return "\n".join(
            [
                f"certificate of {self.name}",
                f"{'property':22} {'':6} {'defect':>8}  witness",
                *lines,
            ]
        )

    def _repr_html_(self):
        body = "".join(
            f"<tr><td>{row.property}</td><td>{'✓ holds' if row.holds else '✗ fails'}</td><td>{row.defect:.1e}</td>"
            f"<td style='text-align:left'>{html.escape(str(row.witness or ''))}</td></tr>"
            for row in self.rows
        )
        return (
            f"<table><caption>Certificate of {html.escape(self.name)}</caption>"
            f"<tr><th>property</th><th></th><th>defect</th><th>witness</th></tr>{body}</table>"
        )


def certify(process, shape, times=None):
    """Test the scale-space properties of a process on images of `shape` (H, W), at 204 times in [0, 1] or at `times`.

        initial state        α_0 = 1, σ_0 = 0
        markov               the signal-to-noise ratio rises in no mode (Theorem 1)
        semigroup            K_{t|s} K_{s|r} = K_{t|r}
        conditional entropy  H(U_t | U_0) never falls
        mutual information   I(U_0; U_t) never rises
        divergence           KL(p_t ‖ q_t) of two evolutions never rises
        kl to normal         KL(p_t ‖ N(0, I)) never rises: N(0, I) is invariant
        flips                both commute with the process
        rotations            by 90° commute, by 180° where the grid is no square
        permutations         of pixels commute, all of them
        sign                 u → −u commutes
        steady state         at t = 1 nothing is left of u_0: α_1 < 0.01, but in
                             modes that do not move for t > 0 (the mean of heat)

    Returns a `Certificate`. A defect is in nats for entropies and divergences, a rise of log SNR for markov, else a difference of
    coefficients, for symmetries relative. A process that is not Markov is reported, not refused. A violation between the times stays
    unseen. `times`: three or more, increasing. Raises TypeError, ValueError. Source: Peter 2024; the conditions are derived in this
    book.

    >>> from dpss import sub_vp
    >>> certificate = certify(sub_vp(), (8, 8))
    >>> [row.property for row in certificate.rows if not row.holds]
    ['kl to normal']
    """
    if not isinstance(process, Process):
        raise TypeError(f"process is a {type(process).__name__}; needed: a dpss.Process")
    shape = _arrays.grid(shape)
    process.basis.check(shape, "shape")
    times = TIMES if times is None else _arrays.times(times, "times")
    if times.ndim != 1 or len(times) < 3 or (times.diff() <= 0).any():
        raise ValueError(f"times is {_arrays.shown(times)}; needed: three or more increasing times")
    markov = _markov(process, times)
    return Certificate(
        process.name,
        [
            _initial_state(process),
            markov,
            _semigroup(process, times, markov),
            _conditional_entropy(process, shape, times),
            _mutual_information(process, shape, times),
            _divergence(process, shape, times),
            _kl_to_normal(process, shape, times),
            *_symmetries(process, shape, times),
            _steady_state(process, shape, times),
        ],
    )


def _row(name, defect, witness, tolerance=TOLERANCE):
    """The row of a property; `witness` is made only where it fails."""
    defect = float(defect)
    holds = defect <= tolerance
    return Row(name, holds, defect, None if holds else witness())


def _rise(values):
    """Largest rise of `values` (m, H, W) over time: (rise, index of s, index of t, mode)."""
    lowest, since = values.cummin(0)
    gap = (values - lowest).nan_to_num(nan=0.0, posinf=math.inf)  # ∞ − ∞: it stays infinite
    t, y, x = torch.unravel_index(gap.argmax(), gap.shape)
    return gap.max(), since[t, y, x].item(), t.item(), (y.item(), x.item())


def _initial_state(process):
    gain, noise = (process.signal(0.0) - 1).abs().max(), process.noise(0.0).max()
    defect = max(gain, noise)
    return _row(
        "initial state",
        defect,
        lambda: Witness(
            f"at t = 0 the gain is off by {gain:.3g} and the noise level {noise:.3g}",
            {"t": 0.0},
            lambda: max(
                (process.signal(0.0) - 1).abs().max().item(), process.noise(0.0).max().item()
            ),
        ),
    )


def _markov(process, times):
    rise, i, j, mode = _rise(process.log_snr(times))
    s, t = times[i].item(), times[j].item()
    return _row(
        "markov",
        rise,
        lambda: Witness(
            f"mode {mode}: log SNR rises by {rise:.3g} from t = {s:.4g} to {t:.4g}",
            {"mode": mode, "s": s, "t": t},
            lambda: (process.log_snr(t) - process.log_snr(s))[mode].item(),
        ),
    )


def _semigroup(process, times, markov):
    if not markov.holds:  # there are no kernels that could be composed
        return Row("semigroup", False, markov.defect, markov.witness)

    def gap(r, s, t):
        one, two = process.kernel(r, t), process.kernel(s, t) @ process.kernel(r, s)
        level = process.noise(t).clamp(min=1e-150)
        apart = (one.gain - two.gain).abs() + (one.std - two.std).abs() * (
            one.std + two.std
        ) / level**2
        return apart.amax((-2, -1))

    triples = times[
        torch.randint(len(times), (3, 100), generator=torch.Generator().manual_seed(1))
        .sort(0)
        .values
    ]
    gaps = gap(*triples)
    r, s, t = triples[:, gaps.argmax()].tolist()
    return _row(
        "semigroup",
        gaps.max(),
        lambda: Witness(
            f"the kernels from {r:.4g} to {s:.4g} and on to {t:.4g} differ from the one from {r:.4g} to {t:.4g} by {gaps.max():.3g}",
            {"r": r, "s": s, "t": t},
            lambda: gap(r, s, t).item(),
        ),
    )


def _conditional_entropy(process, shape, times):
    entropy = measures.conditional_entropy(process, times, shape)
    fall, i, j, _ = _rise(-entropy[:, None, None])
    s, t = times[i].item(), times[j].item()
    return _row(
        "conditional entropy",
        fall,
        lambda: Witness(
            f"H(U_t | U_0) falls by {fall:.3g} nats from t = {s:.4g} to {t:.4g}",
            {"s": s, "t": t},
            lambda: (
                measures.conditional_entropy(process, s, shape)
                - measures.conditional_entropy(process, t, shape)
            ).item(),
        ),
        TOLERANCE * shape[0] * shape[1],
    )


def _mutual_information(process, shape, times):
    rise, i, j, mode = _rise(0.5 * torch.nn.functional.softplus(process.log_snr(times)))
    s, t = times[i].item(), times[j].item()

    def violation():
        prior = GaussianPrior(torch.zeros(shape), _one(shape, mode), process.basis)
        return (
            measures.mutual_information(process, prior, t)
            - measures.mutual_information(process, prior, s)
        ).item()

    return _row(
        "mutual information",
        rise,
        lambda: Witness(
            f"data N(0, 1) in mode {mode}: I(U_0; U_t) rises by {rise:.3g} nats from t = {s:.4g} to {t:.4g}",
            {"mode": mode, "s": s, "t": t},
            violation,
        ),
    )


def _divergence(process, shape, times):
    # N(0, 1) and N(1, 1) in one mode: KL = ½ α²/(α² + σ²)
    rise, i, j, mode = _rise(0.5 * torch.sigmoid(process.log_snr(times)))
    s, t = times[i].item(), times[j].item()

    def violation():
        priors = [
            GaussianPrior(process.basis.synthesise(level * _one(shape, mode)), 1.0, process.basis)
            for level in (0, 1)
        ]
        kl = [
            priors[1].marginal(process, time).kl(priors[0].marginal(process, time))
            for time in (s, t)
        ]
        return (kl[1] - kl[0]).item()

    return _row(
        "divergence",
        rise,
        lambda: Witness(
            f"data N(0, 1) and N(1, 1) in mode {mode}: KL(p_t‖q_t) rises by {rise:.3g} nats from t = {s:.4g} to {t:.4g}",
            {"mode": mode, "s": s, "t": t},
            violation,
        ),
    )


def _kl_to_normal(process, shape, times):
    if not process.basis.orthonormal:
        times = times[torch.linspace(0, len(times) - 1, 9).long()]  # dense covariances are dear
    kl = torch.stack([_kl_of_normal(process, shape, t) for t in times])
    t = times[kl.argmax()].item()
    return _row(
        "kl to normal",
        kl.max(),
        lambda: Witness(
            f"data N(0, I): KL(p_t‖N(0, I)) is 0 at t = 0 and {kl.max():.3g} nats at t = {t:.4g}",
            {"s": 0.0, "t": t},
            lambda: _kl_of_normal(process, shape, t).item(),
        ),
        TOLERANCE * shape[0] * shape[1],
    )


def _kl_of_normal(process, shape, t):
    """KL(p_t‖N(0, I)) for p_0 = N(0, I)."""
    basis, log_signal, sigma = process.basis, process.log_signal(t), process.noise(t)
    if basis.orthonormal:  # through the logarithm of α² + σ², which may underflow
        log_variance = torch.logaddexp(2 * log_signal, 2 * torch.log(sigma)).expand(shape)
        return 0.5 * (torch.expm1(log_variance) - log_variance).sum()
    n = shape[0] * shape[1]
    B = basis.analyse(torch.eye(n, dtype=torch.float64).reshape(n, *shape)).reshape(n, n).T
    alpha, sigma = (c.expand(shape).reshape(n) for c in (torch.exp(log_signal), sigma))
    start = B @ B.T  # the covariance of the modes of white noise
    now = alpha[:, None] * start * alpha + torch.diag(sigma**2)
    return 0.5 * (
        torch.linalg.solve(start, now).trace() - n - torch.logdet(now) + torch.logdet(start)
    )


def _symmetries(process, shape, times):
    square = shape[0] == shape[1]
    maps = {
        "flips": [lambda u: u.flip(-1), lambda u: u.flip(-2)],
        "rotations": [lambda u: u.rot90(1 if square else 2, (-2, -1))],
        # a transposition of neighbours and the cycle through all pixels generate every permutation
        "permutations": [lambda u: u.flatten().roll(1).reshape(u.shape), _swap],
        "sign": [torch.neg],
    }
    # generic, so that no asymmetry is missed by chance
    probe = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    few = times[torch.linspace(0, len(times) - 1, 5).long()].tolist()
    return [_symmetry(process, name, members, probe, few) for name, members in maps.items()]


def _symmetry(process, name, members, probe, times):
    found = [
        (_asymmetry(process, R, probe, t, part), t, part, R)
        for t in times
        for part in ("mean", "covariance")
        for R in members
    ]
    defect, t, part, R = max(found, key=lambda case: case[0])
    return _row(
        name,
        defect,
        lambda: Witness(
            f"the {part} at t = {t:.4g} does not commute: relative gap {defect:.3g} on a random image",
            {"t": t, "part": part, "map": R, "image": probe},
            lambda: _asymmetry(process, R, probe, t, part),
        ),
    )


@torch.inference_mode(False)
@torch.enable_grad()
def _asymmetry(process, R, u, t, part):
    """‖R M u − M R u‖/‖M u‖ in the maximum norm, for M = B⁻¹ α_t B (mean) or B⁻¹ σ_t² B⁻ᵀ (covariance)."""
    u = u.clone()  # in inference mode too a tensor with derivatives

    def M(u):
        if part == "mean":
            return process.marginal(u, t).mean
        modes = torch.zeros_like(u, requires_grad=True)  # B⁻ᵀ u is the gradient of ⟨B⁻¹ c, u⟩ in c
        (process.basis.synthesise(modes) * u).sum().backward()
        return process.basis.synthesise(process.noise(t) ** 2 * modes.grad)

    image = M(u)
    return ((R(image) - M(R(u))).abs().max() / image.abs().max().clamp(min=1e-150)).item()


def _swap(u):
    """The first two pixels exchanged."""
    rest = u.flatten()
    return torch.cat([rest[:2].flip(0), rest[2:]]).reshape(u.shape)


def _steady_state(process, shape, times):
    later = times[times > 0]
    alpha, sigma = (
        c.expand(len(later), *shape) for c in (process.signal(later), process.noise(later))
    )
    moves = ((alpha != 1) | (sigma != sigma[:1])).any(0)
    left = torch.where(moves, process.signal(1.0), 0.0)
    defect = left.max()
    y, x = (int(i) for i in torch.unravel_index(left.argmax(), left.shape))

    def violation():
        u = process.basis.synthesise(_one(shape, (y, x)))
        gap = process.marginal(u, 1.0).mean - process.steady_state(shape, torch.float64).mean
        return process.basis.analyse(gap)[y, x].item()

    return _row(
        "steady state",
        defect,
        lambda: Witness(
            f"at t = 1 the share {defect:.3g} of mode ({y}, {x}) of the image is left",
            {"mode": (y, x), "t": 1.0},
            violation,
        ),
        FORGOTTEN,
    )


def _one(shape, mode):
    """Modes that are 1 in one place."""
    modes = torch.zeros(shape, dtype=torch.float64)
    modes[mode] = 1
    return modes
