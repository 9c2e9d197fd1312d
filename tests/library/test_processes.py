"""The machinery every family shares, against dense joint Gaussians and chains run step by step."""

import copy
import math

import numpy as np
import pytest
import torch
from catalogue import default, mild
from hypothesis import given
from hypothesis import strategies as st
from reference import cosine_matrix, eigenvalues, image, moments_agree, noise, seeds
from torch.distributions import MultivariateNormal, kl_divergence

from dpss import _coefficients, laws, measures
from dpss.bases import Basis, Cosines, Pixels
from dpss.families import blurring, gaussian_scale_space, heat, vp
from dpss.priors import GaussianPrior
from dpss.processes import Gaussian, Kernel, Process

SHAPE = (2, 3)
SIZE = 6
double = torch.float64


PROCESSES = {name: mild(name, SHAPE) for name in ("vp", "vp_cosine", "heat", "by hand")}
PROCESSES["gaussian_scale_space"] = default("gaussian_scale_space", SHAPE)
NOISY = [name for name in PROCESSES if name != "gaussian_scale_space"]


def matrix(process):
    """B, dense, by its formula."""
    return np.eye(SIZE) if isinstance(process.basis, Pixels) else cosine_matrix(*SHAPE)


def modes(values):
    return np.broadcast_to(np.asarray(values, dtype=float), SHAPE).ravel()


def dense(process, t):
    """Gain matrix G and covariance Σ of U_t given U_0."""
    b = matrix(process)
    return b.T @ np.diag(modes(process.signal(t))) @ b, b.T @ np.diag(
        modes(process.noise(t)) ** 2
    ) @ b


def covariance(law):
    b = np.eye(SIZE) if isinstance(law.basis, Pixels) else cosine_matrix(*SHAPE)
    return b.T @ np.diag(modes(law.std) ** 2) @ b


def transition(process, s, t):
    """Transition matrix and covariance, dense, from the marginals: G_t G_s⁻¹ and Σ_t − K Σ_s Kᵀ."""
    (gain_s, cov_s), (gain_t, cov_t) = dense(process, s), dense(process, t)
    k = gain_t @ np.linalg.inv(gain_s)
    return k, cov_t - k @ cov_s @ k.T


# --- marginals and the chain ----------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("name", PROCESSES)
def test_marginal_has_mean_g_u0_and_covariance_sigma(name, t):
    process, u = PROCESSES[name], image(SHAPE)
    gain, cov = dense(process, t)
    law = process.marginal(torch.as_tensor(u), t)
    assert isinstance(law, Gaussian)
    np.testing.assert_allclose(np.asarray(law.mean).ravel(), gain @ u.ravel(), atol=1e-13)
    np.testing.assert_allclose(covariance(law), cov, atol=1e-13)


@pytest.mark.parametrize("name", PROCESSES)
def test_samples_follow_the_marginal(name, generator):
    process, u, n = PROCESSES[name], image(SHAPE), 20000
    many = torch.as_tensor(u).expand(n, *SHAPE)
    samples = process.sample(many, 0.4, generator=generator).reshape(n, SIZE).numpy()
    gain, cov = dense(process, 0.4)
    moments_agree(samples, gain @ u.ravel(), cov)


@pytest.mark.parametrize("name", PROCESSES)
def test_step_by_step_chain_has_the_closed_form(name, generator):
    """A path of five steps: marginals at its end, the joint law of two times, by brute force."""
    process, u, n = PROCESSES[name], image(SHAPE), 20000
    times = [0.0, 0.1, 0.25, 0.5, 0.6, 0.9]
    path = process.path(torch.as_tensor(u).expand(n, *SHAPE), times, generator=generator)
    assert path.shape == (6, n, *SHAPE)
    torch.testing.assert_close(path[0], torch.as_tensor(u).expand(n, *SHAPE), atol=1e-12, rtol=0)
    s, t = 2, 5
    joint = torch.cat([path[s].reshape(n, SIZE), path[t].reshape(n, SIZE)], dim=1).numpy()
    (gain_s, cov_s), (gain_t, cov_t) = dense(process, times[s]), dense(process, times[t])
    cross = (
        transition(process, times[s], times[t])[0] @ cov_s
    )  # Cov(U_t, U_s) = K Σ_s: what makes it a chain
    moments_agree(
        joint,
        np.concatenate([gain_s @ u.ravel(), gain_t @ u.ravel()]),
        np.block([[cov_s, cross.T], [cross, cov_t]]),
    )


def test_histogram_of_a_chain_matches_the_closed_form_density(generator):
    """Kolmogorov–Smirnov: the gap of the distribution functions is below 2/√n but in 7 of 10⁴."""
    n, process = 40000, vp()
    end = process.path(
        torch.full((n, 1, 1), 0.7, dtype=double), torch.linspace(0, 0.4, 21), generator=generator
    )[-1]
    a, s = float(process.signal(0.4)), float(process.noise(0.4))
    cdf = torch.special.ndtr((end.flatten().sort().values - 0.7 * a) / s)
    assert (cdf - torch.arange(1, n + 1) / n).abs().max() < 2 / math.sqrt(n)


def test_a_path_may_start_after_time_zero(generator):
    n, u = 20000, image(SHAPE)
    path = vp().path(torch.as_tensor(u).expand(n, *SHAPE), [0.3, 0.7], generator=generator)
    for k, t in enumerate((0.3, 0.7)):
        gain, cov = dense(vp(), t)
        moments_agree(path[k].reshape(n, SIZE).numpy(), gain @ u.ravel(), cov)


# --- kernels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("s, t", [(0.0, 0.4), (0.3, 0.8), (0.2, 1.0)])
@pytest.mark.parametrize("name", PROCESSES)
def test_kernel_is_the_dense_transition(name, s, t):
    process, u = PROCESSES[name], image(SHAPE)
    kernel, (k, cov) = process.kernel(s, t), transition(process, s, t)
    law = kernel(torch.as_tensor(u))
    np.testing.assert_allclose(np.asarray(law.mean).ravel(), k @ u.ravel(), atol=1e-12)
    np.testing.assert_allclose(covariance(law), cov, atol=1e-12)
    np.testing.assert_allclose(
        modes(kernel.gain), modes(process.signal(t)) / modes(process.signal(s)), atol=1e-12
    )
    assert np.all(np.asarray(kernel.shift) == 0) and type(kernel.basis) is type(process.basis)


@pytest.mark.parametrize("name", PROCESSES)
def test_kernel_from_zero_is_the_marginal_and_from_a_time_to_itself_the_identity(name):
    process, u = PROCESSES[name], torch.as_tensor(image(SHAPE))
    law, marginal = process.kernel(0.0, 0.6)(u), process.marginal(u, 0.6)
    torch.testing.assert_close(law.mean, marginal.mean, atol=1e-13, rtol=0)
    np.testing.assert_allclose(modes(law.std), modes(marginal.std), atol=1e-13)
    for t in (0.0, 0.6):
        still = process.kernel(t, t)
        assert np.all(modes(still.gain) == 1) and np.all(modes(still.std) == 0)


@given(
    st.sampled_from(sorted(PROCESSES)),
    st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted),
)
def test_chapman_kolmogorov(name, times):
    process, (r, s, t) = PROCESSES[name], times
    whole, parts = process.kernel(r, t), process.kernel(s, t) @ process.kernel(r, s)
    assert parts.isclose(whole) and whole.isclose(parts)
    # √ halves the digits of a difference of variances that cancels, hence 1e-7 for std.
    np.testing.assert_allclose(modes(parts.gain), modes(whole.gain), atol=1e-12)
    np.testing.assert_allclose(modes(parts.std) ** 2, modes(whole.std) ** 2, atol=1e-13)


def test_composition_is_checked_against_dense_matrices_and_is_not_commutative():
    process, u = PROCESSES["by hand"], image(SHAPE)
    early, late = process.kernel(0.1, 0.4), process.kernel(0.4, 0.9)
    (k1, c1), (k2, c2) = transition(process, 0.1, 0.4), transition(process, 0.4, 0.9)
    law = (late @ early)(torch.as_tensor(u))
    np.testing.assert_allclose(np.asarray(law.mean).ravel(), k2 @ k1 @ u.ravel(), atol=1e-13)
    np.testing.assert_allclose(covariance(law), k2 @ c1 @ k2.T + c2, atol=1e-13)
    assert not (early @ late).isclose(late @ early)


@pytest.mark.parametrize("basis", [Cosines(SHAPE), Pixels()])
def test_kernels_with_shifts_compose_as_affine_maps(basis):
    """Reverse kernels have a shift: u -> K u + b. Two of them: K' (K u + b) + b'."""
    b = cosine_matrix(*SHAPE) if isinstance(basis, Cosines) else np.eye(SIZE)
    gains, stds, shifts = (
        [torch.as_tensor(np.abs(noise(SHAPE, seed + k)) + 0.1) for k in (0, 1)]
        for seed in (21, 31, 41)
    )
    early, late = (Kernel(gains[k], stds[k], basis, shifts[k]) for k in (0, 1))
    u, (k1, k2) = image(SHAPE), (b.T @ np.diag(modes(gain)) @ b for gain in gains)
    law = (late @ early)(torch.as_tensor(u))
    expected = k2 @ (k1 @ u.ravel() + shifts[0].numpy().ravel()) + shifts[1].numpy().ravel()
    np.testing.assert_allclose(np.asarray(law.mean).ravel(), expected, atol=1e-13)
    assert not (late @ early).isclose(Kernel(gains[0] * gains[1], (late @ early).std, basis))


def test_isclose_tells_kernels_apart():
    a = vp().kernel(0.2, 0.5)
    assert a.isclose(vp().kernel(0.2, 0.5))
    assert not a.isclose(vp().kernel(0.2, 0.501)) and not a.isclose(vp().kernel(0.21, 0.5))
    assert not a.isclose(vp(beta_min=0.2).kernel(0.2, 0.5))


def test_a_rising_snr_is_refused_naming_mode_and_times():
    lam = torch.as_tensor(eigenvalues(3, 4))
    bump = torch.zeros(3, 4, dtype=double)
    bump[1, 2] = 0.9
    process = Process(Cosines((3, 4)), lambda t: -lam * t * 0, lambda t: t * (1 - bump * t), "bump")
    process.kernel(0.1, 0.3)  # t (1 − 0.9 t) still rises
    with pytest.raises(ValueError) as refusal:
        process.kernel(0.75, 0.875)
    message = str(refusal.value)
    assert "1, 2" in message and "0.75" in message and "0.875" in message and "mode" in message
    with pytest.raises(ValueError, match="0.75"):
        process.posterior(torch.zeros(3, 4), torch.zeros(3, 4), 0.75, 0.875)
    with pytest.raises(ValueError):
        process.path(torch.zeros(3, 4), [0.0, 0.75, 0.875])
    assert torch.isfinite(
        process.marginal(torch.zeros(3, 4), 0.9).mean
    ).all()  # marginals exist all the same


def test_a_constant_snr_is_not_refused_for_its_rounding():
    process = Process(
        Pixels(), lambda t: -3 * t, lambda t: 0.2 * torch.exp(-3 * t) * (t > 0), "constant"
    )
    for s, t in ((0.1, 0.9), (1e-3, 1.0), (0.5, 0.7)):
        assert float(process.kernel(s, t).std) < 1e-7  # √(1e-12 σ_t²) at most


def test_the_tolerance_for_rounding_is_relative_to_the_noise():
    """Constant SNR passes at σ = 1000; one that rises by 1e-9 of itself is refused at σ = 0.001."""
    for scale in (1e3, 1e-3):
        constant, rising = (
            Process(
                Pixels(),
                lambda t: -3 * t,
                lambda t, scale=scale, rate=rate: scale * torch.exp(-rate * t) * (t > 0),
                f"rate {rate}",
            )
            for rate in (3, 3 + 1e-9)
        )
        for s, t in ((0.1, 0.9), (0.25, 0.5), (0.3, 0.7)):
            constant.kernel(s, t)
        with pytest.raises(ValueError, match="Markov"):
            rising.kernel(0.1, 0.9)


# --- posterior ------------------------------------------------------------------------------------


@pytest.mark.parametrize("s, t", [(0.1, 0.3), (0.3, 0.8), (0.5, 1.0)])
@pytest.mark.parametrize("name", NOISY)
def test_posterior_is_the_joint_gaussian_conditioned(name, s, t):
    """Condition N on the dense joint law of (U_s, U_t): mean + C_st Σ_t⁻¹ (u_t − mean_t)."""
    process, u0, ut = PROCESSES[name], image(SHAPE), image(SHAPE, 1)
    (gain_s, cov_s), (gain_t, cov_t) = dense(process, s), dense(process, t)
    cross = cov_s @ transition(process, s, t)[0].T
    mean = gain_s @ u0.ravel() + cross @ np.linalg.solve(cov_t, ut.ravel() - gain_t @ u0.ravel())
    cov = cov_s - cross @ np.linalg.solve(cov_t, cross.T)
    law = process.posterior(torch.as_tensor(u0), torch.as_tensor(ut), s, t)
    np.testing.assert_allclose(np.asarray(law.mean).ravel(), mean, atol=1e-11)
    np.testing.assert_allclose(covariance(law), cov, atol=1e-12)


def test_posterior_agrees_with_a_brute_force_chain(generator):
    """Keep the chains that end near u_t and look at where they were: regression of U_s on U_t."""
    n = 200000
    path = vp().path(torch.full((n, 1, 1), 0.4, dtype=double), [0.2, 0.5], generator=generator)
    us, ut = path[0].flatten().numpy(), path[1].flatten().numpy()
    slope, offset = np.polyfit(ut, us, 1)
    law = [
        vp().posterior(
            torch.full((1, 1), 0.4, dtype=double), torch.full((1, 1), x, dtype=double), 0.2, 0.5
        )
        for x in (0.0, 1.0)
    ]
    spread = float(law[0].std.flatten()[0] if torch.is_tensor(law[0].std) else law[0].std)
    # Least squares errs by σ̃/(√n std U_t), intercept alike; five standard deviations.
    tolerance = 5 * spread / math.sqrt(n) / ut.std()
    assert (
        abs(float(law[0].mean) - offset) < tolerance
        and abs(float(law[1].mean - law[0].mean) - slope) < tolerance
    )
    residual = (us - slope * ut - offset).std()
    assert abs(residual - spread) < 5 * spread / math.sqrt(2 * n)


@pytest.mark.parametrize("name", PROCESSES)
def test_posterior_at_time_zero_is_the_point_mass_at_the_image(name, generator):
    process, u0, ut = (
        PROCESSES[name],
        torch.as_tensor(image(SHAPE)),
        torch.as_tensor(image(SHAPE, 1)),
    )
    law = process.posterior(u0, ut, 0.0, 0.5)
    torch.testing.assert_close(law.mean, u0, atol=1e-13, rtol=0)
    assert np.all(modes(law.std) == 0)
    torch.testing.assert_close(law.sample(generator=generator), u0, atol=1e-13, rtol=0)


def test_posterior_where_nothing_is_added_pins_that_mode_to_ut():
    """The mean mode of heat: σ²_{t|s} = 0, so U_s has the mean of U_t, and no division by zero."""
    process, u0, ut = (
        PROCESSES["heat"],
        torch.as_tensor(image(SHAPE)),
        torch.as_tensor(image(SHAPE, 1)),
    )
    law = process.posterior(u0, ut, 0.3, 0.6)
    assert torch.isfinite(law.mean).all()
    torch.testing.assert_close(law.mean.mean(), ut.mean(), atol=1e-12, rtol=0)
    assert modes(law.std)[0] < 1e-8 and (modes(law.std)[1:] > 1e-3).all()


def test_posterior_then_kernel_gives_back_the_marginal(generator):
    """Total probability: drawing U_t and then U_s from the posterior gives U_s its own marginal."""
    n, u = 20000, image(SHAPE)
    for name in NOISY:
        process, many = PROCESSES[name], torch.as_tensor(u).expand(20000, *SHAPE)
        ut = process.sample(many, 0.7, generator=generator)
        us = process.posterior(many, ut, 0.3, 0.7).sample(generator=generator)
        gain, cov = dense(process, 0.3)
        moments_agree(us.reshape(n, SIZE).numpy(), gain @ u.ravel(), cov)


# --- score ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOISY)
def test_score_from_the_exact_denoiser_is_the_gradient_of_the_log_density(name):
    """Gaussian data with a full covariance: Wiener denoiser and log density by dense algebra."""
    process, t = PROCESSES[name], 0.4
    root, mean = noise((SIZE, SIZE), 3) / 2, image(SHAPE, 5).ravel()
    prior = root @ root.T + 0.1 * np.eye(SIZE)
    gain, cov = dense(process, t)
    marginal = gain @ prior @ gain.T + cov
    u = image(SHAPE, 6).ravel()
    gap = np.linalg.solve(marginal, u - gain @ mean)
    denoised = mean + prior @ gain.T @ gap
    # Autograd on the dense density: a second opinion on the sign and on Bᵀ.
    variable = torch.as_tensor(u).requires_grad_()
    MultivariateNormal(torch.as_tensor(gain @ mean), torch.as_tensor(marginal)).log_prob(
        variable
    ).backward()
    score = process.score(
        torch.as_tensor(denoised).reshape(SHAPE), torch.as_tensor(u).reshape(SHAPE), t
    )
    # The score divides by σ² (0.09 for heat), which enlarges rounding tenfold.
    np.testing.assert_allclose(np.asarray(score).ravel(), variable.grad, atol=1e-10)
    np.testing.assert_allclose(np.asarray(score).ravel(), -gap, atol=1e-10)


# --- Gaussians ------------------------------------------------------------------------------------


def law_pair(seed=0):
    basis = Cosines(SHAPE)
    spread = torch.as_tensor(np.exp(noise(SHAPE, seed)))
    return Gaussian(torch.as_tensor(image(SHAPE, seed)), spread, basis)


def dense_law(law):
    return MultivariateNormal(law.mean.flatten(), torch.as_tensor(covariance(law)))


@given(seeds)
def test_density_entropy_and_divergence_agree_with_dense_normal_laws(seed):
    p, q, u = law_pair(seed), law_pair(seed + 1), torch.as_tensor(image(SHAPE, seed + 2))
    dense_p, dense_q = dense_law(p), dense_law(q)
    # Standard deviations from e⁻³ to e³: the dense Cholesky loses the square of that ratio.
    assert math.isclose(
        float(p.log_prob(u)), float(dense_p.log_prob(u.flatten())), rel_tol=1e-9, abs_tol=1e-8
    )
    assert math.isclose(float(p.entropy()), float(dense_p.entropy()), rel_tol=1e-9, abs_tol=1e-8)
    assert math.isclose(
        float(p.kl(q)), float(kl_divergence(dense_p, dense_q)), rel_tol=1e-8, abs_tol=1e-8
    )


@given(seeds)
def test_divergence_is_non_negative_and_zero_only_for_equal_laws(seed):
    p, q = law_pair(seed), law_pair(seed + 1)
    assert float(p.kl(q)) > 1e-3 and abs(float(p.kl(p))) < 1e-12


def test_divergence_of_nearly_equal_laws_keeps_its_digits():
    p = Gaussian(
        torch.zeros(1, 1, dtype=double), torch.full((1, 1), 1 + 1e-6, dtype=double), Pixels()
    )
    q = Gaussian(torch.zeros(1, 1, dtype=double), torch.ones(1, 1, dtype=double), Pixels())
    # ½(r − 1 − log r) ≈ (2e-6)²/4 = 1e-12; absolute rounding of the formula is 1e-16.
    assert 0 <= float(p.kl(q)) and abs(float(p.kl(q)) - 1e-12) < 3e-16


def test_results_are_batch_shaped():
    mean = torch.as_tensor(image((4, 2, *SHAPE)))
    law = vp().marginal(mean, torch.tensor([0.2, 0.4, 0.6, 0.8]))
    u = torch.as_tensor(image((4, 2, *SHAPE), 1))
    assert law.log_prob(u).shape == (4, 2) and law.kl(law).shape == (4, 2)
    for k, t in enumerate((0.2, 0.4, 0.6, 0.8)):
        single = vp().marginal(mean[k], t)
        # Times were float32 in the batch: relative 6e-8 on t.
        torch.testing.assert_close(law.log_prob(u)[k], single.log_prob(u[k]), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            law.entropy().expand(4, 2)[k], single.entropy().expand(2), rtol=1e-5, atol=1e-5
        )


def test_divergence_integrates_the_densities(generator):
    p, q, n = law_pair(0), law_pair(1), 40000
    u = Gaussian(p.mean.expand(n, *SHAPE), p.std, p.basis).sample(generator=generator)
    draws = p.log_prob(u) - q.log_prob(u)
    assert abs(float(draws.mean() - p.kl(q))) < 5 * float(draws.std()) / math.sqrt(n)
    surprise = -p.log_prob(u)
    assert abs(float(surprise.mean() - p.entropy())) < 5 * float(surprise.std()) / math.sqrt(n)


def test_a_point_mass_can_be_sampled_but_has_no_density(generator):
    mean = torch.as_tensor(image(SHAPE))
    spread = torch.ones(SHAPE, dtype=double)
    spread[0, 0] = 0
    law = Gaussian(mean, spread, Cosines(SHAPE))
    draws = torch.stack([law.sample(generator=generator) for _ in range(5)])
    torch.testing.assert_close(draws.mean((-2, -1)), mean.mean().expand(5), atol=1e-13, rtol=0)
    assert draws.std(dim=0).max() > 0.1
    assert float(law.entropy()) == -math.inf
    with pytest.raises(ValueError, match="std|σ"):
        law.log_prob(mean)


@pytest.mark.parametrize("name", PROCESSES)
def test_steady_state_is_where_the_process_ends_from_zero(name):
    process = PROCESSES[name]
    for dtype in (torch.float32, torch.float64):
        law = process.steady_state(SHAPE, dtype=dtype)
        assert law.mean.shape == SHAPE and law.mean.dtype == dtype and (law.mean == 0).all()
        np.testing.assert_allclose(modes(law.std), modes(process.noise(1.0)), rtol=1e-7)
        assert law.sample().dtype == dtype
    batch = process.steady_state((5, *SHAPE))
    assert batch.sample().shape == (5, *SHAPE)


# --- a basis that is not orthonormal --------------------------------------------------------------

WEIGHTS = torch.as_tensor(np.exp(noise(SHAPE, 11)))


class Weighted(Basis):
    """Modes are pixels divided by weights: the simplest basis in which B⁻¹ and Bᵀ differ."""

    shape = SHAPE
    log_abs_det = float(WEIGHTS.log().sum())

    def analyse(self, u):
        return u / WEIGHTS

    def synthesise(self, modes):
        return modes * WEIGHTS

    def pull_back(self, gradient):
        return gradient / WEIGHTS


def test_laws_in_a_basis_that_is_not_orthonormal_have_the_right_volume():
    basis = Weighted()
    p = Gaussian(torch.as_tensor(image(SHAPE)), torch.full(SHAPE, 0.7, dtype=double), basis)
    q = Gaussian(torch.as_tensor(image(SHAPE, 1)), torch.full(SHAPE, 1.1, dtype=double), basis)
    dense_p, dense_q = (
        MultivariateNormal(law.mean.flatten(), torch.diag((law.std * WEIGHTS).flatten() ** 2))
        for law in (p, q)
    )
    u = torch.as_tensor(image(SHAPE, 2))
    assert math.isclose(float(p.log_prob(u)), float(dense_p.log_prob(u.flatten())), rel_tol=1e-10)
    assert math.isclose(float(p.entropy()), float(dense_p.entropy()), rel_tol=1e-10)
    assert math.isclose(float(p.kl(q)), float(kl_divergence(dense_p, dense_q)), rel_tol=1e-10)


def test_score_and_conditional_entropy_in_a_basis_that_is_not_orthonormal():
    process = Process(Weighted(), lambda t: -t, lambda t: t, "weighted")
    u, mean, t = torch.as_tensor(image(SHAPE)), torch.as_tensor(image(SHAPE, 1)), 0.5
    # Known data, a single image: D is that image and log p_t is the marginal's,
    # whose gradient autograd knows.
    law = MultivariateNormal(
        (math.exp(-t) * mean).flatten(), torch.diag((t * WEIGHTS).flatten() ** 2)
    )
    variable = u.flatten().requires_grad_()
    law.log_prob(variable).backward()
    np.testing.assert_allclose(process.score(mean, u, t).flatten(), variable.grad, rtol=1e-10)
    assert math.isclose(
        float(measures.conditional_entropy(process, t, SHAPE)), float(law.entropy()), rel_tol=1e-10
    )


# --- conventions ----------------------------------------------------------------------------------


def test_times_follow_the_leading_batch_axes():
    u, times = torch.as_tensor(image((3, *SHAPE))), torch.tensor([0.1, 0.5, 0.9], dtype=double)
    for process in PROCESSES.values():
        each, many = process.marginal(u, times).mean, process.marginal(u[0], times).mean
        assert each.shape == (3, *SHAPE) and many.shape == (3, *SHAPE)
        for k, t in enumerate(times.tolist()):
            torch.testing.assert_close(each[k], process.marginal(u[k], t).mean, atol=1e-13, rtol=0)
            torch.testing.assert_close(many[k], process.marginal(u[0], t).mean, atol=1e-13, rtol=0)
        assert process.sample(u[0], times).shape == (3, *SHAPE) and process.sample(
            u, times
        ).shape == (3, *SHAPE)


def test_a_channel_axis_shares_the_time_of_its_image():
    u, times = torch.as_tensor(image((3, 2, *SHAPE))), torch.tensor([0.1, 0.5, 0.9], dtype=double)
    for process in PROCESSES.values():
        law = process.marginal(u, times)
        assert law.mean.shape == (3, 2, *SHAPE) and law.sample().shape == (3, 2, *SHAPE)
        for k, t in enumerate(times.tolist()):
            torch.testing.assert_close(
                law.mean[k], process.marginal(u[k], t).mean, atol=1e-13, rtol=0
            )


def test_one_time_per_image_in_posterior_and_score():
    u0, ut = torch.as_tensor(image((3, *SHAPE))), torch.as_tensor(image((3, *SHAPE), 1))
    s, t = torch.tensor([0.1, 0.2, 0.3], dtype=double), torch.tensor([0.4, 0.5, 0.9], dtype=double)
    for name in NOISY:
        process = PROCESSES[name]
        law, score, after = (
            process.posterior(u0, ut, s, t),
            process.score(u0, ut, t),
            process.kernel(s, t)(u0),
        )
        for k in range(3):
            single = process.posterior(u0[k], ut[k], float(s[k]), float(t[k]))
            torch.testing.assert_close(law.mean[k], single.mean, atol=1e-12, rtol=0)
            torch.testing.assert_close(
                score[k], process.score(u0[k], ut[k], float(t[k])), atol=1e-10, rtol=0
            )
            torch.testing.assert_close(
                after.mean[k],
                process.kernel(float(s[k]), float(t[k]))(u0[k]).mean,
                atol=1e-12,
                rtol=0,
            )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", PROCESSES)
def test_images_come_back_in_their_dtype_and_close_to_double_precision(name, dtype, generator):
    process, exact = PROCESSES[name], torch.as_tensor(image((2, *SHAPE)))
    u = exact.to(dtype)
    results = {
        "mean": (process.marginal(u, 0.6).mean, process.marginal(exact, 0.6).mean),
        "kernel": (process.kernel(0.2, 0.6)(u).mean, process.kernel(0.2, 0.6)(exact).mean),
        "posterior": (
            process.posterior(u, u.flip(0), 0.2, 0.6).mean,
            process.posterior(exact, exact.flip(0), 0.2, 0.6).mean,
        ),
    }
    for what, (found, reference) in results.items():
        assert found.dtype == dtype, what
        # A few float32 roundings of numbers of size one.
        torch.testing.assert_close(
            found.double(), reference, atol=2e-6 if dtype == torch.float32 else 1e-13, rtol=0
        )
    assert process.sample(u, 0.6, generator=generator).dtype == dtype
    assert process.path(u, [0.1, 0.6], generator=generator).dtype == dtype
    assert process.marginal(u, torch.tensor([0.1, 0.2], dtype=double)).sample().dtype == dtype
    if name in NOISY:
        assert process.score(u, u, 0.6).dtype == dtype and process.marginal(u, 0.6).log_prob(
            u
        ).shape == (2,)


def test_numpy_images_are_accepted_and_become_tensors():
    u = image(SHAPE).astype("float32")
    law = vp().marginal(u, 0.5)
    assert torch.is_tensor(law.mean) and law.mean.dtype == torch.float32
    assert torch.is_tensor(vp().sample(u, 0.5))


def test_randomness_comes_from_the_generator_alone():
    u = torch.as_tensor(image(SHAPE))

    def draw(seed):
        fresh = torch.Generator().manual_seed(seed)
        return torch.stack(
            [vp().sample(u, 0.5, generator=fresh), vp().path(u, [0.5], generator=fresh)[0]]
        )

    before = torch.get_rng_state()
    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))
    assert torch.equal(torch.get_rng_state(), before)  # the global state is left alone
    torch.manual_seed(5)
    first = vp().sample(u, 0.5)
    torch.manual_seed(5)
    assert torch.equal(first, vp().sample(u, 0.5))  # None means torch's default generator


def test_images_of_a_batch_get_independent_noise(generator):
    u = torch.zeros(20000, 2, 1, 1, dtype=double)
    draws = vp().sample(u, 1.0, generator=generator).reshape(20000, 2).numpy()
    assert abs(np.corrcoef(draws.T)[0, 1]) < 5 / math.sqrt(20000)
    many = (
        vp()
        .sample(torch.zeros(1, 1, dtype=double), torch.full((20000,), 0.9), generator=generator)
        .flatten()
    )
    assert abs(float(many.std()) - float(vp().noise(0.9))) < 5 / math.sqrt(2 * 20000)


def test_steps_of_a_path_have_independent_noise(generator):
    path = (
        vp()
        .path(torch.zeros(20000, 1, 1, dtype=double), [0.2, 0.4, 0.6], generator=generator)
        .flatten(1)
        .numpy()
    )
    k1, k2 = float(vp().kernel(0.2, 0.4).gain), float(vp().kernel(0.4, 0.6).gain)
    innovations = np.stack([path[0], path[1] - k1 * path[0], path[2] - k2 * path[1]])
    assert np.abs(np.corrcoef(innovations) - np.eye(3)).max() < 5 / math.sqrt(20000)


def test_a_process_is_immutable():
    process = vp()
    for name in ("basis", "name"):
        with pytest.raises(AttributeError):
            setattr(process, name, None)


def test_a_process_can_be_copied():
    process = copy.deepcopy(PROCESSES["heat"])
    assert (
        torch.equal(process.signal(0.3), PROCESSES["heat"].signal(0.3)) and process.name == "heat"
    )


def test_callables_are_handed_double_times_with_two_trailing_axes():
    seen = []

    def log_signal(t):
        seen.append((t.dtype, tuple(t.shape[-2:])))
        return -t

    process = Process(Pixels(), log_signal, lambda t: t, "spy")
    process.signal(torch.tensor([0.1, 0.2], dtype=torch.float32)), process.signal(0.3)
    assert seen and all(entry == (double, (1, 1)) for entry in seen)


@pytest.mark.parametrize(
    "process",
    [
        heat((5, 7)),
        heat((1, 4), 3.0, laplacian="continuous"),
        blurring((5, 7)),
        blurring((5, 7), min_gain=0.0),
        gaussian_scale_space((5, 7), 9.0),
    ],
)
def test_gains_given_directly_are_the_exponentials_of_their_logarithms(process):
    times = torch.tensor([0.0, 1e-9, 0.2, 0.7, 0.999, 1.0], dtype=double)
    torch.testing.assert_close(
        process.signal(times), torch.exp(process.log_signal(times)), rtol=1e-12, atol=1e-300
    )
    assert (process.signal(0.0) == 1).all()


def test_images_are_drawn_with_the_gains_given_directly():
    asked = []

    def log_signal(t):
        asked.append(t)
        return -t

    process = Process(Pixels(), log_signal, lambda t: 0 * t, "spy", signal=lambda t: torch.exp(-t))
    u, t = torch.as_tensor(image((3, 4))), torch.tensor(0.3, dtype=double)
    for case in (process, copy.deepcopy(process)):
        case.signal(t)  # its first use compares both
        asked.clear()
        torch.testing.assert_close(case.sample(u, t), math.exp(-0.3) * u)
        torch.testing.assert_close(case.marginal(u, t).mean, math.exp(-0.3) * u)
        assert not asked


def test_subclasses_are_processes():
    class Named(Process):
        __slots__ = ()

    process = Named(Pixels(), lambda t: -t, lambda t: t, "mine")
    assert process.name == "mine" and type(copy.deepcopy(process)) is Named


def test_time_is_differentiable_through_the_coefficients():
    t = torch.tensor(0.5, dtype=double, requires_grad=True)
    vp().log_signal(t).sum().backward()
    assert math.isclose(float(t.grad), -0.5 * (0.1 + 19.9 * 0.5), rel_tol=1e-12)


def test_gradients_flow_through_the_marginal():
    u = torch.as_tensor(image(SHAPE)).requires_grad_()
    PROCESSES["heat"].marginal(u, 0.5).mean.square().sum().backward()
    gain = dense(PROCESSES["heat"], 0.5)[0]
    np.testing.assert_allclose(
        u.grad.flatten(), 2 * gain.T @ gain @ image(SHAPE).ravel(), atol=1e-12
    )


# --- callables the constructor must refuse --------------------------------------------------------


@pytest.mark.parametrize(
    "leave",
    [
        lambda t: (
            torch.full_like(t, -2 * float(t.flatten()[0])) if t.numel() == 1 else -2 * t.detach()
        ),
        lambda t: torch.as_tensor(-2 * t.detach().numpy()),
        lambda t: -2 * t.detach(),
        lambda t: -t - t.detach(),
    ],
)
def test_a_log_signal_that_leaves_torch_is_refused(leave):
    broken = Process(Pixels(), leave, lambda t: t, "broken")
    for use in (broken.sde, broken.flow):
        with pytest.raises(ValueError, match="log_signal"):
            use(0.5)


def test_a_noise_that_leaves_torch_is_refused():
    broken = Process(
        Pixels(), lambda t: -t, lambda t: torch.as_tensor(t.detach().numpy()), "broken"
    )
    for use in (broken.sde, broken.flow):
        with pytest.raises(ValueError, match="noise"):
            use(0.5)


def test_what_is_printed_names_law_and_basis():
    process = heat((2, 3))
    assert "heat" in repr(process) and "Cosines" in repr(process)
    assert "(2, 3)" in repr(process.steady_state((2, 3))) and "Kernel" in repr(
        process.kernel(0.1, 0.2)
    )
    assert not process.kernel(0.1, 0.2).isclose("kernel")


def test_a_long_path_does_not_depend_on_how_many_steps_are_computed_at_once(monkeypatch):
    process, u = heat((3, 4), sigma=0.1), torch.as_tensor(image((2, 3, 4)))
    times = torch.linspace(0.01, 1, 150, dtype=torch.float64)
    paths = []
    for together in (64, 1, 7, 149, 1000):  # steps; a step takes ten numbers of 8 bytes a mode
        monkeypatch.setattr(_coefficients, "TOGETHER", together * 8 * 10 * 12)
        paths.append(process.path(u, times, torch.Generator().manual_seed(1)))
    for path in paths[1:]:
        torch.testing.assert_close(path, paths[0], rtol=1e-12, atol=1e-12)
    generator = torch.Generator().manual_seed(1)
    fresh = torch.stack(
        [torch.randn(2, 3, 4, dtype=torch.float64, generator=generator) for _ in times]
    )
    for i in (1, 63, 64, 65, 128, 149):  # and each step is its kernel
        kernel, basis = process.kernel(times[i - 1], times[i]), process.basis
        modes = kernel.gain * basis.analyse(paths[0][i - 1]) + kernel.std * fresh[i]
        torch.testing.assert_close(paths[0][i], basis.synthesise(modes), rtol=1e-12, atol=1e-12)


def test_a_rise_is_named_by_its_mode_and_times_among_many():
    bump = torch.zeros(3, 4, dtype=torch.float64)
    bump[1, 2] = 1.0
    process = Process(
        Cosines((3, 4)),
        lambda t: -3 * bump * torch.sin(math.pi * t) ** 2,
        lambda t: 0.1 + 0 * t,
        "comeback",
    )
    s, t = torch.tensor([[0.1, 0.2], [0.3, 0.625]]), torch.tensor([[0.2, 0.3], [0.4, 0.75]])
    with pytest.raises(
        ValueError, match=r"rises in mode \(1, 2\) between s = 0\.625 and t = 0\.75"
    ):
        process.kernel(s, t)
    everywhere = Process(
        Pixels(), lambda t: -3 * torch.sin(math.pi * t) ** 2, lambda t: 0.1 + 0 * t, "comeback"
    )
    with pytest.raises(ValueError, match=r"rises in every mode between s = 0\.625 and t = 0\.75"):
        everywhere.kernel(s, t)


def test_snr_where_neither_signal_nor_noise_is_left():
    process = Process(
        Pixels(),
        lambda t: torch.log(torch.sin(0.5 * math.pi * (1 - t))),
        lambda t: torch.sin(math.pi * t) * (t < 1),
        "fading",
    )
    assert float(process.log_snr(1.0)) == -math.inf and float(process.snr(1.0)) == 0
    assert float(process.kernel(1.0, 1.0).gain) == 1 and float(process.kernel(1.0, 1.0).std) == 0


@pytest.mark.parametrize(
    "shape, times",
    [
        ((40, 3, 5), (40,)),
        ((6, 16, 3, 5), (6,)),
        ((4, 2, 3, 5), (4, 2)),
        ((3, 5), (50,)),
        ((3, 5), ()),
        ((40, 3, 5), ()),
    ],
)
def test_a_draw_in_blocks_is_the_draw(shape, times, monkeypatch):
    process, u = heat((3, 5), sigma=0.3), torch.as_tensor(image(shape))
    t = torch.linspace(0.1, 0.9, math.prod(times), dtype=torch.float64).reshape(times)
    whole = process.sample(u, t, torch.Generator().manual_seed(1))
    monkeypatch.setattr(
        laws, "BLOCK", 32 * 15
    )  # 32 images: a multiple of 16 numbers, so that the stream of noise is the same
    torch.testing.assert_close(
        process.sample(u, t, torch.Generator().manual_seed(1)), whole, rtol=1e-12, atol=1e-12
    )
    monkeypatch.setattr(laws, "BLOCK", 7)  # one row after another: another stream, the same law
    many = torch.stack(
        [process.sample(u, t, torch.Generator().manual_seed(seed)) for seed in range(300)]
    )
    law = process.marginal(u, t)
    gap = process.basis.analyse(many.mean(0) - law.mean) / (0.3 / math.sqrt(300))
    assert (
        gap.abs().max() < 5.5
        and abs(float(process.basis.analyse(many - law.mean).std()) - 0.3) < 0.01
    )


def test_no_times_give_no_coefficients_and_no_image_goes_with_them():
    process, u, none = heat(SHAPE), torch.as_tensor(image(SHAPE)), torch.empty(0)
    for values in (process.signal(none), process.log_snr([]), process.kernel([], []).std):
        assert values.shape == (0, *SHAPE)
    assert process.sde(none)[1].shape == (0, *SHAPE)
    prior = GaussianPrior(u, 1.0, process.basis)
    for use in (
        lambda: process.marginal(u, none),
        lambda: process.sample(u, none),
        lambda: process.score(u, u, none),
        lambda: prior.marginal(process, none),
        lambda: prior.denoiser(process)(u, none),
    ):
        with pytest.raises(ValueError, match="t has shape"):
            use()


# --- broadcasting: times go along the axes that they were given for -------------------------------


@pytest.mark.parametrize("extra", [(3,), (2, 3), (5, 3)])
def test_a_density_of_many_laws_is_that_of_each(extra):
    """As many images as times: nothing may be taken for something else."""
    process, times = heat(SHAPE, sigma=0.3), torch.tensor([0.2, 0.5, 0.8], dtype=double)
    law = process.marginal(torch.as_tensor(image((3, *SHAPE))), times)
    u = torch.as_tensor(noise((*extra, *SHAPE), 3))
    expected = torch.stack(
        [
            process.marginal(law.mean[i] * 0, t).log_prob(u[..., i, :, :] - law.mean[i])
            for i, t in enumerate(times)
        ],
        -1,
    )
    torch.testing.assert_close(law.log_prob(u), expected)


def test_one_image_against_many_is_that_image_each_time():
    """Three colours, three images and three times."""
    process, t = heat(SHAPE, sigma=0.3), torch.tensor([0.4, 0.6, 0.8], dtype=double)
    one, many = torch.as_tensor(image((3, *SHAPE))), torch.as_tensor(noise((3, 3, *SHAPE), 4))
    every = one.expand(3, 3, *SHAPE)
    for found, expected in (
        (process.posterior(one, many, 0.5 * t, t), process.posterior(every, many, 0.5 * t, t)),
        (process.posterior(many, one, 0.5 * t, t), process.posterior(many, every, 0.5 * t, t)),
    ):
        torch.testing.assert_close(found.mean, expected.mean)
    torch.testing.assert_close(process.score(one, many, t), process.score(every, many, t))
    torch.testing.assert_close(process.score(many, one, t), process.score(many, every, t))


@pytest.mark.parametrize("level", [1e-170, 1e-20, 1.0, 1e160])
def test_noise_of_every_size_has_transitions_and_a_derivative(level):
    process = Process(Pixels(), lambda t: -t, lambda t: level * torch.sqrt(t))
    plain = Process(Pixels(), lambda t: -t, torch.sqrt)
    found, expected = process.kernel(0.1, 0.9).std / level, plain.kernel(0.1, 0.9).std
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(process.flow(0.5)[0], plain.flow(0.5)[0], rtol=1e-9, atol=0)
    lost = Process(Pixels(), lambda t: -t, lambda t: level * torch.sqrt(t.detach()))
    with pytest.raises(ValueError, match="noise"):
        lost.flow(0.5)


def test_laws_of_every_size_have_divergences():
    for size in (1e-170, 1.0, 1e150):
        one, two = (Gaussian(torch.zeros(2, 2).double(), s * size, Pixels()) for s in (1.0, 2.0))
        assert one.kl(one) == 0
        assert math.isclose(one.kl(two).item(), 4 * (0.5 * (0.25 - 1 + math.log(4))), rel_tol=1e-12)


def test_shifts_that_do_not_fit_are_not_close():
    one, two = (Kernel(1.0, 1.0, Pixels(), torch.zeros(n, n)) for n in (3, 4))
    assert not one.isclose(two)
