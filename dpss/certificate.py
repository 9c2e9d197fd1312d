"""Certificate: which scale-space properties a forward process has, with a witness where one fails.

"Holds" means for every law p_0 of images. So a property is not tried on data: its exact condition
on α_t(k) and σ_t(k) is tested at many times. Where that is violated beyond rounding the property
fails, and the witness is data on which it is seen to fail.
"""

import functools
import html
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch

from . import _arrays, _conditions, _symmetries, _witnesses
from ._conditions import TOLERANCE
from ._geometry import Geometry, probe
from .processes import Process

FORGOTTEN = 1e-2  # gain at t = 1 up to which a mode counts as forgotten: VP ends at 0.0066
TRIPLES = 32  # of times, for the semigroup
TIMES = torch.cat(
    [
        torch.tensor([0.0, 1e-6, 1e-4, 1e-3], dtype=torch.float64),
        torch.linspace(0.005, 1, 200, dtype=torch.float64),
    ]
)


@dataclass(frozen=True, eq=False)
class Witness:
    """A counterexample: `text` says what happens, `replay()` computes the defect anew.

    `at` holds its numbers: the times `s` and `t`, the mode, the variance or value of the data, the
    image, the map. It can be pickled and copied where the process can.
    """

    text: str
    at: dict
    replay: Callable[[], float]

    def __str__(self) -> str:
        return self.text


class Row(NamedTuple):
    """One property: its name, whether it holds, its defect, a `Witness` where it fails (else None).

    `times`: the number of times at which it was tested. `remark`: what else there is to say.
    """

    property: str
    holds: bool
    defect: float
    witness: Witness | None
    times: int
    remark: str = ""


class Certificate(Mapping):
    """What `certify` finds: a mapping from the names of properties to rows of the type `Row`.

    Prints as a table, in notebooks as one in HTML. `name`: that of the process.

    >>> from dpss import ve
    >>> certificate = certify(ve(), (8, 8))
    >>> certificate["steady state"].holds, certificate["steady state"].defect
    (False, 1.0)
    """

    def __init__(self, name: str, rows: Iterable[Row]):
        self.name = name
        self._rows = {row.property: row for row in rows}

    def __getitem__(self, name: str) -> Row:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self):
        lines = [
            f"certificate of {self.name}",
            f"{'property':22} {'':6} {'defect':>8} {'times':>5}  witness",
        ]
        for row in self.values():
            verdict = "holds" if row.holds else "FAILS"
            line = f"{row.property:22} {verdict:6} {row.defect:8.1e} {row.times:5}  {_words(row)}"
            lines.append(line.rstrip())
        return "\n".join(lines)

    def _repr_html_(self):
        body = "".join(
            f"<tr><td>{row.property}</td><td>{'✓ holds' if row.holds else '✗ fails'}</td>"
            f"<td>{row.defect:.1e}</td><td>{row.times}</td>"
            f"<td style='text-align:left'>{html.escape(_words(row))}</td></tr>"
            for row in self.values()
        )
        return (
            f"<table><caption>Certificate of {html.escape(self.name)}</caption>"
            "<tr><th>property</th><th></th><th>defect</th><th>times</th><th>witness</th></tr>"
            f"{body}</table>"
        )


def _words(row):
    return "; ".join(str(part) for part in (row.witness, row.remark) if part)


def certify(process: Process, shape: tuple[int, int], times=None) -> Certificate:
    """Test which scale-space properties a process has on images of `shape` (H, W).

    A row holds if its condition is met at all times that are looked at, 204 in [0, 1] or `times`.
    So it speaks of these times, and of all laws p_0 and q_0; between the times nothing is
    promised. A defect is 0 where the row holds, but for rounding (and in the last row).

        initial state        α_0 = 1, σ_0 = 0: p_0 is the law of the data.
                             Defect: the largest of |α_0 − 1| and σ_0. Tested at
                             t = 0.
        markov               No log SNR rises: there is a Markov chain with
                             these laws (T1 in the book). Defect: the largest rise of
                             log SNR.
        semigroup            markov, and K_{t|s} K_{s|r} = K_{t|r} for the
                             kernels of the process. Defect: the largest
                             relative gap of gains, or of variances relative to
                             σ_t², for 32 random triples of times; without
                             kernels that of markov.
        conditional entropy  Σ_k log σ_t(k) never falls: H(U_t | U_0) never
                             does. Defect: its largest fall in nats.
        mutual information   No log SNR rises: I(U_0; U_t) never does. Defect:
                             its rise in nats for data N(0, v) in the mode and
                             from s to t as in markov, v = 1/√(SNR_s SNR_t); a
                             quarter of that of markov.
        divergence           No log SNR rises: KL(p_t ‖ q_t) never does. Defect:
                             its rise in nats for N(√v, v) and N(0, v) in this
                             mode, below ½.
        kl to normal         markov, and N(0, I) stays: in an orthonormal basis,
                             α² + σ² = 1 in all modes. KL(p_t ‖ N(0, I)) never
                             rises. Defect: its value in nats for p_0 = N(0, I),
                             in such a basis the largest; if N(0, I) stays, its
                             rise for N(0, I) with the value of one mode known.
        flips                Started at R u_0, the law is that of R U_t: for both
        rotations            flips R, the rotation by 90° (180° where H ≠ W), all
        permutations         permutations of the pixels. Defect of the three:
                             ‖R M u − M R u‖/‖M u‖ on an image u in the maximum
                             norm, M the map from u_0 to the mean of U_t, or the
                             covariance.
        sign                 The same for u → −u. Fails only in a basis that is
                             not linear.
        steady state         Each mode is forgotten, α_1 ≤ 0.01, or stands
                             still: its gain and its noise level are constant
                             for t > 0, as those of the mean of heat. And one at
                             least is forgotten. Then the law at t = 1 depends
                             on u_0 by what stands still, and up to 1 % of the
                             rest. Defect: the largest α_1 of a mode that moves;
                             of all modes if none is forgotten. t = 1 is always
                             looked at.

    A row fails if its condition is violated by more than rounding may do: 128 roundings of double
    precision (2.8e-14) times the size of the numbers, |log α| and |log σ| included, and 64 times
    the error with which a basis other than `Pixels` and `Cosines` gives back an image. (Kernels
    forgive 1e-12; of σ_0 it is the square that may be so small.) Conditions are relative in each
    mode, gains of 1e-300 count as those of 1; but a covariance in a basis that is not orthonormal
    is tested relative to its largest part. The bound 0.01 is the one convention.

    Returns a `Certificate`, a mapping: `certify(...)["markov"].holds`. A process that is not
    Markov is reported. A basis that is not what it claims to be is refused, and so are more than
    4096 pixels where it is not orthonormal. `times`: three or more, increasing. Memory: some 50
    MB, and a few N×N matrices where the basis is not orthonormal. Raises TypeError, ValueError.
    Source: Peter 2024; the conditions are derived in this book.

    >>> from dpss import sub_vp
    >>> certificate = certify(sub_vp(), (8, 8))
    >>> [name for name, row in certificate.items() if not row.holds]
    ['kl to normal']
    """
    shape = _arrays.grid(shape)
    _arrays.instance(process, Process, "process").basis.check(shape, "shape")
    if times is None:
        times = TIMES
    times = _arrays.times(times, "times", order="increasing", least=3)
    with torch.no_grad(), torch.device("cpu"):  # whatever the caller's default device
        return Certificate(process.name, _rows(process, shape, times))


def _rows(process, shape, times):
    geometry = Geometry(process.basis, shape)
    ratio, entropy = _conditions.NeverRises(), _conditions.NeverRises()
    normal, end = _conditions.NormalStays(geometry), _conditions.Forgets(shape)
    symmetries = [
        _symmetries.symmetry(name, geometry) for name in ("flips", "rotations", "permutations")
    ]
    for now in _conditions.blocks(process, shape, times):
        ratio.look(now.times, *_conditions.log_snr(now))
        entropy.look(now.times, *_conditions.lost_entropy(now, shape))
        for condition in (normal, end, *symmetries):
            condition.look(now)
    if times[-1] < 1:
        end.look(_conditions.block(process, shape, torch.ones(1, dtype=torch.float64)))
    rise, count = ratio.worst, len(times)
    return [
        _initial_state(process, shape, end.loudest),
        _markov(process, shape, rise, count),
        _semigroup(process, shape, times, rise),
        _conditional_entropy(process, shape, entropy.worst, count),
        _mutual_information(process, shape, rise, count),
        _divergence(process, shape, rise, count),
        _kl_to_normal(process, geometry, normal, rise, count),
        *(_symmetric(process, symmetry, count) for symmetry in symmetries),
        _sign(process, geometry, count),
        _steady_state(process, shape, end, int((times > 0).sum()) + int(times[-1] < 1)),
    ]


def _row(name, holds, defect, times, witness, remark=""):
    """The row of a property. Where it fails, `witness` makes (text, at, replay[, defect])."""
    if holds:
        return Row(name, True, defect, None, times, remark)
    text, at, replay, *known = witness()
    defect = known[0] if known else replay()
    return Row(name, False, defect, Witness(text.format(defect), at, replay), times, remark)


def _initial_state(process, shape, loudest):
    log_gain, log_noise = _witnesses.coefficients(process, shape, 0.0)
    start = functools.partial(_witnesses.distance_at_start, process, shape)
    holds = log_gain.abs().max() <= TOLERANCE
    # in variances, as √(1 − α²) doubles the digits that are lost; of α_0 = 1, or of fainter noise
    rounding = 0.5 * math.log(TOLERANCE * _conditions.ONE)
    holds = holds and log_noise.max() <= loudest.clamp(max=0.0) + rounding
    return _row(
        "initial state",
        bool(holds),
        start(),
        1,
        lambda: ("at t = 0 the gain or the noise level is off by {:.3g}", {"t": 0.0}, start),
    )


def _markov(process, shape, rise, count):
    def witness():
        replay = _replay(_witnesses.log_snr, process, shape, rise)
        return f"mode {rise.mode}: log SNR rises by {{:.3g}} {_span(rise)}", _at(rise), replay

    return _row("markov", not rise.real, rise.size, count, witness)


def _semigroup(process, shape, times, rise):
    if rise.real:  # there are no kernels that could be composed
        return _markov(process, shape, rise, len(times))._replace(property="semigroup")
    generator = torch.Generator().manual_seed(1)
    triples = times[torch.randint(len(times), (3, TRIPLES), generator=generator).sort(0).values]
    tested = []
    for some in triples.split(max(1, _conditions.BLOCK // math.prod(shape)), 1):
        tested += _conditions.compositions(process, some)
    real, gap, (r, s, t) = max(tested, key=lambda case: case[:2], default=(False, 0.0, (0, 0, 0)))

    def witness():
        text = (
            f"the steps from {r:.4g} to {s:.4g} and on to {t:.4g} differ by {{:.3g}} from the one "
            f"from {r:.4g} to {t:.4g}"
        )
        replay = functools.partial(_witnesses.step_gap, process, r, s, t)
        return text, {"r": r, "s": s, "t": t}, replay

    count = len({time for _, _, triple in tested for time in triple})
    return _row("semigroup", not real, gap, count, witness, f"{len(tested)} triples of times")


def _conditional_entropy(process, shape, fall, count):
    def witness():
        entropy = functools.partial(_witnesses.entropy, process, shape)
        replay = functools.partial(_witnesses.rise, entropy, fall.t, fall.s)
        text = f"H(U_t | U_0) falls by {{:.3g}} nats {_span(fall)}"
        return text, {"s": fall.s, "t": fall.t}, replay

    return _row("conditional entropy", not fall.real, fall.size, count, witness)


def _mutual_information(process, shape, rise, count):
    def witness():
        replay, at, data = _scaled(_witnesses.information, process, shape, rise)
        return f"data {data}: I(U_0; U_t) rises by {{:.3g}} nats {_span(rise)}", at, replay

    return _row("mutual information", not rise.real, 0.25 * rise.size, count, witness)


def _divergence(process, shape, rise, count):
    def witness():
        replay, at, data = _scaled(_witnesses.divergence, process, shape, rise)
        mean = math.sqrt(at["variance"])
        text = (
            f"data {data}, or of mean {mean:.3g}: KL(p_t‖q_t) rises by {{:.3g}} nats {_span(rise)}"
        )
        return text, at, replay

    defect = 0.5 * math.tanh(0.25 * rise.size)
    return _row("divergence", not rise.real, defect, count, witness)


def _kl_to_normal(process, geometry, normal, rise, count):
    stays, shape = normal.violation.value <= 1, geometry.shape

    def normal_moves():
        # the largest is known mode by mode; for all modes together it would be dear
        kl = functools.partial(_witnesses.kl_of_normal, process, shape)
        (nats, t), other = ((kl(t), t) for t in (normal.nats.t, normal.violation.t))
        if other[0] > (1 + 1e-9) * nats:  # by more than rounding
            nats, t = other
        text = f"data N(0, I): KL(p_t‖N(0, I)) is 0 at t = 0 and {{:.3g}} nats at t = {t:.4g}"
        return text, {"s": 0.0, "t": t}, functools.partial(kl, t), nats

    def one_value_known():
        log_norm = geometry.log_norms.expand(shape)[rise.mode].item()
        ends = (_witnesses.coefficients(process, shape, t)[0] for t in (rise.s, rise.t))
        # a value so large that gains are seen, however small they are
        log_square = max(0.0, -sum(log_gain[rise.mode].item() for log_gain in ends))
        value = _witnesses.exponential(0.5 * (log_square + log_norm))
        replay = _replay(_witnesses.kl_of_one_value, process, shape, rise, log_norm, log_square)
        data = f"data N(0, I), but mode {rise.mode} known to be {value:.3g}"
        text = f"{data}: KL(p_t‖N(0, I)) rises by {{:.3g}} nats {_span(rise)}"
        return text, _at(rise) | {"value": value}, replay

    witness = one_value_known if stays else normal_moves
    return _row("kl to normal", stays and not rise.real, normal.nats.value, count, witness)


def _symmetric(process, symmetry, count):
    worst = symmetry.worst

    def witness():
        move, image, words, replay = symmetry.counterexample(process)
        at = {"t": worst.t, "part": worst.part, "map": move, "image": image}
        what = f"the {worst.part} at t = {worst.t:.4g}"
        text = f"{what} does not commute: relative gap {{:.3g}} on {words}"
        return text, at, replay

    return _row(symmetry.name, not worst.real, worst.gap, count, witness)


def _sign(process, geometry, count):
    image = probe(geometry.shape, 1)[0]
    replay = functools.partial(_symmetries.sign_gap, process.basis, image)
    gap = replay()

    def witness():
        at = {"map": torch.neg, "image": image}
        return (
            "the basis is not linear: −u and u differ by more than the sign, by {:.3g}",
            at,
            replay,
        )

    return _row("sign", gap <= TOLERANCE + geometry.rounding, gap, count, witness)


def _steady_state(process, shape, end, count):
    frozen, forgotten = end.frozen, end.log_gain <= math.log(FORGOTTEN)
    left = ~frozen & ~forgotten
    still = frozen & ~forgotten
    verb = "stands" if still.sum() == 1 else "stand"
    remark = f"{forgotten.sum()} modes forgotten, {still.sum()} {verb} still, {left.sum()} left"
    moving = ~frozen if forgotten.any() else torch.ones_like(frozen)
    gains = torch.where(moving, torch.exp(end.log_gain), 0.0)
    mode = divmod(gains.argmax().item(), shape[1])

    def witness():
        replay = functools.partial(_witnesses.gain_in_mode, process, shape, mode, 1.0)
        text = f"at t = 1 the share {{:.3g}} of mode {mode} of the image is left"
        return text, {"mode": mode, "t": 1.0}, replay

    holds = bool(forgotten.any() and not left.any())
    return _row("steady state", holds, gains.max().item(), count, witness, remark)


def _span(rise):
    return f"from t = {rise.s:.4g} to {rise.t:.4g}"


def _at(rise):
    return {"mode": rise.mode, "s": rise.s, "t": rise.t}


def _replay(functional, process, shape, rise, *more):
    """The rise of a functional of one mode, as what can be called and pickled."""
    of_time = functools.partial(functional, process, shape, rise.mode, *more)
    return functools.partial(_witnesses.rise, of_time, rise.s, rise.t)


def _scaled(functional, process, shape, rise):
    """(replay, numbers, words) for data as strong as the noise half-way."""
    ends = (_witnesses.log_snr(process, shape, rise.mode, t) for t in (rise.s, rise.t))
    log_variance = _witnesses.middle(*ends)
    variance = _witnesses.exponential(log_variance)
    replay = _replay(functional, process, shape, rise, log_variance)
    return replay, _at(rise) | {"variance": variance}, f"N(0, {variance:.3g}) in mode {rise.mode}"
