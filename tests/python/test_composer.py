"""Composer's function: the bytes and the state of NumPy's generator, against the wheel's own code."""

import types

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


def images_of(kind, dtype):
    """What Composer's own tests of its augmentations hand to them: an image or a batch, of each type."""
    torch = pytest.importorskip("torch")
    levels = np.random.default_rng(2).integers(0, 256, (4, 3, 6, 5), dtype=np.uint8)
    if kind == "pillow":
        return Image.fromarray(np.ascontiguousarray(levels[0].transpose(1, 2, 0)))
    images = torch.from_numpy(levels if kind == "batch" else levels[0])
    return images if dtype == "uint8" else images.to(getattr(torch, dtype)).div(255)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
@pytest.mark.parametrize("kind", ["pillow", "tensor", "batch"])
@pytest.mark.parametrize("augment", [halmix.augmix_image, halmix.AugmentAndMixTransform(), halmix.AugMix()])
def test_types_and_shapes_stay(kind, dtype, augment):
    images = images_of(kind, dtype)
    result = augment(images)
    assert type(result) is type(images)
    assert np.asarray(result).shape == np.asarray(images).shape


@pytest.fixture
def composer():
    """halmix.composer, where all that Composer takes is installed: see python/requirements-composer-trainer.txt."""
    return pytest.importorskip("halmix.composer")


def photos(*transforms):
    """A data set of torchvision's, with no transform, one, or several in a Compose."""
    from torchvision.datasets import FakeData
    from torchvision.transforms import Compose

    transform = Compose(list(transforms)) if len(transforms) > 1 else transforms[0] if transforms else None
    return FakeData(size=16, image_size=(3, 8, 8), num_classes=4, transform=transform)


def trainer(algorithm, dataset, **arguments):
    """Composer's, of a linear model that always begins with the same weights."""
    import torch
    from composer import Trainer
    from composer.models import ComposerClassifier

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4))
    return Trainer(
        model=ComposerClassifier(model, num_classes=4),
        optimizers=torch.optim.SGD(model.parameters(), lr=0.01),
        train_dataloader=torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True),
        algorithms=[algorithm],
        device="cpu",
        seed=1,
        progress_bar=False,
        **arguments,
    )


def weights(of_trainer):
    return [weight.detach().numpy().copy() for weight in of_trainer.state.model.parameters()]


def names(dataset):
    return [type(transform).__name__ for transform in getattr(dataset.transform, "transforms", [dataset.transform])]


def test_training_twice_inserts_it_once(composer):
    from torchvision.transforms import RandomCrop, ToTensor

    dataset = photos(RandomCrop(8), ToTensor())
    training = trainer(composer.AugMix(severity=5), dataset, max_duration="2ep")
    training.fit()
    after_two = weights(training)
    training.fit(duration="1ba")
    assert names(dataset) == ["RandomCrop", "AugmentAndMixTransform", "ToTensor"]
    assert training.state.timestamp.batch == 9
    assert not all(map(np.array_equal, weights(training), after_two))


def test_training_is_composers(composer):
    """Same seed, same weights: the same images were learnt from."""
    from composer.algorithms import AugMix as Composers
    from torchvision.transforms import ToTensor

    arguments = {"severity": 7, "depth": 2, "width": 4, "alpha": 0.5, "augmentation_set": "original"}
    learnt = []
    for algorithm in composer.AugMix(**arguments), Composers(**arguments), composer.AugMix():
        training = trainer(algorithm, photos(ToTensor()), max_duration="2ep")
        training.fit()
        learnt.append(weights(training))
    assert all(map(np.array_equal, learnt[0], learnt[1]))
    assert not all(map(np.array_equal, learnt[0], learnt[2]))


def test_training_goes_on_from_a_checkpoint(composer, tmp_path):
    from torchvision.transforms import ToTensor

    def run(folder, **arguments):
        training = trainer(
            composer.AugMix(), photos(ToTensor()), max_duration="2ep", save_folder=str(tmp_path / folder),
            save_filename="ep{epoch}.pt", save_interval="1ep", **arguments,
        )  # fmt: skip
        training.fit()
        return weights(training)

    whole = run("whole")
    rest = run("rest", load_path=str(tmp_path / "whole" / "ep1.pt"))
    assert all(map(np.array_equal, whole, rest))


def test_where_it_is_inserted(composer):
    import torch
    from composer.core import Event
    from torchvision.transforms import CenterCrop, ToTensor

    ours = "AugmentAndMixTransform"
    algorithm = composer.AugMix()
    for transforms, expected in [
        ((), [ours]),
        ((ToTensor(),), [ours, "ToTensor"]),
        ((CenterCrop(4),), ["CenterCrop", ours]),
        ((CenterCrop(4), CenterCrop(3)), ["CenterCrop", "CenterCrop", ours]),
        ((CenterCrop(4), ToTensor()), ["CenterCrop", ours, "ToTensor"]),
    ]:
        dataset = photos(*transforms)
        state = types.SimpleNamespace(dataloader=torch.utils.data.DataLoader(dataset))
        assert not algorithm.match(Event.BATCH_START, state)
        assert algorithm.match(Event.FIT_START, state)
        algorithm.apply(Event.FIT_START, state, None)
        assert names(dataset) == expected
        assert not algorithm.match(Event.FIT_START, state)


def test_what_the_algorithm_does_not_take(composer):
    import torch
    from composer.core import Event

    algorithm = composer.AugMix()
    with pytest.raises(TypeError, match="list; needs a torch DataLoader"):
        algorithm.match(Event.FIT_START, types.SimpleNamespace(dataloader=[]))
    state = types.SimpleNamespace(dataloader=torch.utils.data.DataLoader([1]))
    with pytest.raises(TypeError, match="list; needs a torchvision VisionDataset"):
        algorithm.match(Event.FIT_START, state) and algorithm.apply(Event.FIT_START, state, None)
    for arguments, error in [({"severity": -1}, ValueError), ({"width": 0}, ValueError)]:
        with pytest.raises(error):
            composer.AugMix(**arguments)
    with pytest.raises(KeyError):
        composer.AugMix(augmentation_set="none")
