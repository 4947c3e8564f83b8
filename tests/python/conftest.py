import os

import numpy as np
import pytest

SEED = int(os.environ.get("HALMIX_TEST_SEED", 1))
SCALE = int(os.environ.get("HALMIX_TEST_SCALE", 1))


@pytest.fixture
def rng():
    return np.random.default_rng(SEED)


@pytest.fixture
def scale():
    return SCALE


def make_image(rng, width, height, channels=3):
    """A picture with flat parts, edges and noise, as an array (H, W) or (H, W, C)."""
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 // max(width, 1), y * 255 // max(height, 1), (x + y) % 256], axis=-1)
    noise = rng.integers(-40, 40, (height, width, 3)) * (x[..., None] > width // 2)
    pixels = np.clip(base + noise, 0, 255).astype(np.uint8)
    return pixels if channels == 3 else pixels[..., 0].copy()


@pytest.fixture
def photo(rng):
    return make_image(rng, 61, 47)
