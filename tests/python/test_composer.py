"""Composer's function: the bytes and the state of NumPy's generator, against the wheel's own code."""

import numpy as np
import pytest
import recorder
from conftest import make_image
from PIL import Image

import halmix

augmix_image = recorder.AUGMIX.augmix_image
SIZES = [(1, 1), (2, 3), (7, 1), (32, 32), (33, 65), (64, 48), (100, 37)]


def random_arguments(rng):
    return {
        "severity": [3, 1, 10, 0, 2.5, 7][rng.integers(6)],
        "depth": [-1, -1, 0, 1, 2, 5][rng.integers(6)],
        "width": [3, 3, 1, 2, 8][rng.integers(5)],
        "alpha": [1.0, 1.0, 0.2, 10.0][rng.integers(4)],
    }


def same_state(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b))


def test_bytes_and_state_are_composers(rng, scale):
    for _ in range(600 * scale):
        width, height = SIZES[rng.integers(len(SIZES))]
        image = Image.fromarray(make_image(rng, width, height, [1, 3][rng.integers(2)]))
        arguments, name = random_arguments(rng), ["all", "safe", "original"][rng.integers(3)]
        seed = int(rng.integers(2**31))
        np.random.seed(seed)
        expected = augmix_image(image, **arguments, augmentation_set=recorder.PRIMITIVES.augmentation_sets[name])
        state = np.random.get_state()[1:]
        np.random.seed(seed)
        got = halmix.augmix_image(image, **arguments, augmentation_set=name)
        assert (got.mode, got.size) == (image.mode, image.size)
        assert got.tobytes() == expected.tobytes(), (arguments, name, seed, image)
        assert same_state(np.random.get_state()[1:], state), (arguments, name, seed)
        random_state = np.random.RandomState(seed)
        again = halmix.augmix_image(np.asarray(image), **arguments, augmentation_set=name, rng=random_state)
        assert again.tobytes() == expected.tobytes()
        assert same_state(random_state.get_state()[1:], state)


def test_lists_of_names_are_lists_of_functions(photo):
    functions = [recorder.PRIMITIVES.rotate, recorder.PRIMITIVES.color_original, recorder.PRIMITIVES.rotate]
    image = Image.fromarray(photo)
    np.random.seed(3)
    expected = augmix_image(image, augmentation_set=functions)
    np.random.seed(3)
    got = halmix.augmix_image(image, augmentation_set=["rotate", "color_original", "rotate"])
    assert got.tobytes() == expected.tobytes()
    for function in functions:
        function.__module__ = "composer.algorithms.utils.augmentation_primitives"
    np.random.seed(3)
    assert halmix.augmix_image(image, augmentation_set=functions).tobytes() == expected.tobytes()
    with pytest.raises(TypeError, match="your own"):
        halmix.augmix_image(image, augmentation_set=[lambda image, level: image])


def test_sets_are_composers():
    for name, functions in recorder.PRIMITIVES.augmentation_sets.items():
        assert halmix.augmentation_sets[name] == [function.__name__ for function in functions]


def test_transform_and_its_arguments(photo):
    image = Image.fromarray(photo)
    ours, theirs = halmix.AugmentAndMixTransform(2, 3, 4, 0.5, "safe"), recorder.AUGMIX
    np.random.seed(5)
    expected = theirs.augmix_image(image, 2, 3, 4, 0.5, recorder.PRIMITIVES.augmentation_sets["safe"])
    np.random.seed(5)
    assert ours(image).tobytes() == expected.tobytes()
    for arguments, error in [({"severity": 11}, ValueError), ({"width": 0}, ValueError)]:
        with pytest.raises(error):
            halmix.AugmentAndMixTransform(**arguments)
    with pytest.raises(KeyError):
        halmix.AugmentAndMixTransform(augmentation_set="none")


def test_generator_of_the_new_kind(photo):
    a = halmix.augmix_image(photo, rng=np.random.default_rng(1))
    b = halmix.augmix_image(photo, rng=np.random.default_rng(1))
    assert np.array_equal(a, b)
    with pytest.raises(TypeError, match="rng"):
        halmix.augmix_image(photo, rng=7)


def test_weights_that_are_no_numbers_are_an_error(photo):
    with pytest.raises(ValueError, match="alpha"):
        for _ in range(2000):
            halmix.augmix_image(photo, alpha=1e-5)
