# SPDX-License-Identifier: GPL-3.0-or-later
"""The sampler and its noise against closed forms and against the training code's own sampler."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intermoe_engine.runtime.noise import MAX_SEED, latent_noise
from intermoe_engine.runtime.sampler import cosine_alphas_cumprod, ddim_timesteps, sample_ddim

ALPHAS = cosine_alphas_cumprod()


def test_noise_is_standard_normal() -> None:
    noise = latent_noise(7, 500, 400).astype(np.float64)
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01
    assert abs((noise**4).mean() - 3) < 0.05
    assert abs(np.mean(np.abs(noise) < 1.959964) - 0.95) < 0.003
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(noise[:, 0::2].ravel(), noise[:, 1::2].ravel())[0, 1]) < 0.01


@given(st.integers(0, MAX_SEED), st.integers(1, 20), st.integers(1, 20), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_noise_of_a_shorter_motion_is_the_beginning(seed: int, short: int, more: int, width: int) -> None:
    np.testing.assert_array_equal(
        latent_noise(seed, short, width), latent_noise(seed, short + more, width)[:short]
    )


def test_noise_never_changes() -> None:
    """Philox and Box-Muller written out in plain Python integers give the same numbers."""
    bits = _philox4x64(key=42, words=8)
    uniform = [((b >> 11) + 1) * 2.0**-53 for b in bits]
    want = []
    for u, v in zip(uniform[::2], uniform[1::2], strict=True):
        radius = np.sqrt(-2 * np.log(u))
        want += [radius * np.cos(2 * np.pi * v), radius * np.sin(2 * np.pi * v)]
    np.testing.assert_allclose(latent_noise(42, 2, 4).ravel(), want, rtol=1e-6)
    rounded = np.round(latent_noise(42, 64, 64).astype(np.float64), 4) + 0.0
    assert hashlib.sha256(rounded.astype("<f8").tobytes()).hexdigest() == NOISE_DIGEST


NOISE_DIGEST = "250d01339a6d19420d4844aa69a1fa0251621a8c5be67e61d52707ca266ce84e"


def _philox4x64(key: int, words: int) -> list[int]:
    """Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011: Philox 4x64, 10 rounds."""
    m64 = 2**64 - 1
    out: list[int] = []
    counter = 0
    while len(out) < words:
        counter += 1
        c = [counter, 0, 0, 0]
        k = [key & m64, key >> 64]
        for _ in range(10):
            a, b = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
            c = [(b >> 64) ^ c[1] ^ k[0], b & m64, (a >> 64) ^ c[3] ^ k[1], a & m64]
            k = [(k[0] + 0x9E3779B97F4A7C15) & m64, (k[1] + 0xBB67AE8584CAA73B) & m64]
        out += c
    return out[:words]


def test_seed_out_of_range() -> None:
    for seed in (-1, MAX_SEED + 1):
        with pytest.raises(ValueError):
            latent_noise(seed, 1, 1)


def test_official_timesteps() -> None:
    np.testing.assert_array_equal(ddim_timesteps(50), np.arange(0, 1000, 20))
    for count in (1, 3, 7, 999, 1000):
        steps = ddim_timesteps(count)
        assert len(np.unique(steps)) == count and steps[0] == 0 and steps[-1] < 1000
    for count in (0, 1001):
        with pytest.raises(ValueError):
            ddim_timesteps(count)


def test_schedule_is_the_cosine() -> None:
    """Away from the clipped end, the product of 1 - beta telescopes to the cosine itself."""
    t = np.arange(1, 999) / 1000
    f = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(ALPHAS[:998], f / np.cos(0.008 / 1.008 * np.pi / 2) ** 2, rtol=1e-10)
    assert 0 < ALPHAS[-1] < 1e-4 and (np.diff(ALPHAS) < 0).all()


def _run(denoiser, noise, text, count=50, guidance=1.0, on_step=None):
    return sample_ddim(
        denoiser, noise, text, count=count, guidance=guidance, alphas_cumprod=ALPHAS, on_step=on_step
    )


@pytest.mark.parametrize("count", [1, 2, 50, 333])
def test_a_denoiser_that_knows_the_answer_is_followed(count: int) -> None:
    answer = np.random.default_rng(0).standard_normal((1, 5, 6)).astype(np.float32)
    got = _run(lambda x, t, c, m: answer, latent_noise(1, 5, 6)[None], np.zeros((1, 3), np.float32), count)
    np.testing.assert_allclose(got, answer, atol=1e-6)


def test_gaussian_data_against_the_probability_flow() -> None:
    """For data of spread s the ideal denoiser is linear; the flow maps x_T to x_T s / sqrt(a s^2 + 1 - a)."""
    spread = 0.6

    def ideal(x, t, c, m):
        a = ALPHAS[t[0]]
        return (np.sqrt(a) * spread**2 / (a * spread**2 + 1 - a) * x).astype(np.float32)

    noise = latent_noise(3, 4, 8)[None]
    got = _run(ideal, noise, np.zeros((1, 2), np.float32), count=1000)
    start = ALPHAS[999]
    want = noise * spread / np.sqrt(start * spread**2 + 1 - start)
    np.testing.assert_allclose(got, want, rtol=0.01)


@pytest.mark.parametrize("guidance", [0.0, 1.0, 3.5])
def test_guidance_mixes_text_and_nothing(guidance: float) -> None:
    """With a denoiser that answers its text, the result is guidance times the text, from one batch."""
    rows = []

    def echo(x, t, c, m):
        rows.append(len(x))
        assert m.dtype == bool and m.all() and t.dtype == np.int64
        return np.broadcast_to(c[:, None, :1], x.shape).astype(np.float32)

    text = np.array([[2.0, 0.0], [-1.0, 0.0]], np.float32)
    noise = np.stack([latent_noise(s, 3, 4) for s in (0, 1)])
    got = _run(echo, noise, text, count=4, guidance=guidance)
    np.testing.assert_allclose(got, np.broadcast_to(guidance * text[:, :1, None], got.shape), atol=1e-5)
    assert rows == [2 if guidance == 1.0 else 4] * 4


def test_on_step_is_called_between_the_steps_and_can_stop() -> None:
    calls, denoised = [], []

    def stop(done, total):
        calls.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    def denoiser(x, t, c, m):
        denoised.append(int(t[0]))
        return x

    with pytest.raises(KeyboardInterrupt):
        _run(denoiser, latent_noise(0, 2, 2)[None], np.zeros((1, 1), np.float32), 50, on_step=stop)
    assert calls == [(0, 50), (1, 50), (2, 50)] and denoised == [980, 960]


@pytest.mark.parametrize(("count", "guidance"), [(50, 3.5), (13, 1.7), (4, 1.0)])
def test_agrees_with_the_training_code(count: int, guidance: float) -> None:
    torch = pytest.importorskip("torch")
    from training.model.diffusion import GaussianDiffusion

    weight = torch.tensor(np.random.default_rng(5).standard_normal((6, 6)) * 0.3, dtype=torch.float32)

    def in_torch(x, t, c, m):
        return torch.tanh(x @ weight + c[:, None, :1] + t[:, None, None] / 1000)

    def in_numpy(x, t, c, m):
        return in_torch(*(torch.from_numpy(v) for v in (x, t, c)), None).numpy()

    noise = latent_noise(9, 7, 6)[None]
    text = np.array([[0.4, 1.0]], np.float32)
    want = GaussianDiffusion().sample(
        in_torch, torch.from_numpy(noise), torch.from_numpy(text), steps=count, guidance=guidance
    )
    np.testing.assert_allclose(_run(in_numpy, noise, text, count, guidance), want.numpy(), atol=1e-4)
