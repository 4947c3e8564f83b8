"""Crops, resizes and flips: Pillow's bytes, torchvision's boxes, one crop for all views of a sample."""

import os
import pickle

import halmix
import numpy as np
import pytest
from PIL import Image, ImageOps

SCALE = int(os.environ.get("HALMIX_TEST_SCALE", 1))
SEED = int(os.environ.get("HALMIX_TEST_SEED", 1))
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def noise(rng, most=300, mode=None):
    width, height = (int(most ** rng.random()) for _ in range(2))
    mode = mode or rng.choice(["L", "RGB"])
    return Image.fromarray(rng.integers(0, 256, (height, width) if mode == "L" else (height, width, 3), np.uint8))


def by_pillow(image, plan):
    """What Pillow makes of the plan's crop."""
    crop = plan.resized_crop
    left, top, width, height = (crop[name] for name in ("left", "top", "width", "height"))
    part = image.crop((left, top, left + width, top + height)).resize((plan.width, plan.height), FILTERS[crop["filter"]])
    return ImageOps.mirror(part) if crop["mirror"] else part


def random_crop(rng, **arguments):
    size = tuple(int(250 ** rng.random()) for _ in range(2))
    return halmix.RandomResizedCrop(
        size, scale=(rng.choice([0.01, 0.08, 0.9]), 1), interpolation=rng.choice(list(FILTERS)), **arguments
    )


@pytest.mark.skipif(int(Image.__version__.split(".")[0]) < 13, reason="the order of passes is Pillow 13's")
def test_crops_are_pillows():
    rng = np.random.default_rng(SEED)
    for index in range(500 * SCALE):
        image, crop = noise(rng), random_crop(rng)
        plan = halmix.sample(*image.size, seed=SEED, index=index, crop=crop)
        box = plan.resized_crop
        assert (plan.height, plan.width) == crop.size and (box["source_width"], box["source_height"]) == image.size
        expected = by_pillow(image, plan)
        clean, augmented = halmix.augmix_batch(
            [image], seed=SEED, indices=[index], views=("clean", "aug"), crop=crop
        )[0]
        assert np.array_equal(clean, expected), plan
        result = halmix.run(plan, image)
        assert type(result) is type(expected) and result.size == expected.size and result.mode == image.mode
        assert np.array_equal(augmented, result)
        # The same ops on what Pillow has cropped.
        alone = halmix.Plan(plan.width, plan.height, plan.mix, plan.chains, plan.fill)
        assert np.array_equal(result, halmix.run(alone, expected)), plan


def test_a_crop_leaves_the_ops_as_they_are_and_views_share_it():
    plain = halmix.sample(50, 40, seed=3, index=9, view=2)
    cropped = [halmix.sample(500, 375, seed=3, index=9, view=view, crop=(40, 50)) for view in range(3)]
    assert cropped[2].chains == plain.chains and cropped[2].mix == plain.mix and plain.resized_crop is None
    assert cropped[0].resized_crop == cropped[1].resized_crop == cropped[2].resized_crop
    assert cropped[0].chains != cropped[1].chains
    others = [halmix.sample(500, 375, seed=3, index=index, crop=(40, 50)).resized_crop for index in range(50)]
    assert {other["mirror"] for other in others} == {False, True} and len({other["left"] for other in others}) > 20
    assert not any(
        halmix.sample(90, 80, index=index, crop=halmix.RandomResizedCrop(7, flip=0)).resized_crop["mirror"]
        for index in range(50)
    )


def test_figures_begin_with_the_crop():
    image = noise(np.random.default_rng(SEED), mode="RGB").resize((150, 130))
    plan = halmix.sample(150, 130, seed=2, crop=(70, 90))
    _, places = halmix._figure.draw(image, plan)
    assert np.array_equal(places[0][1], by_pillow(image, plan)) and np.array_equal(places[-1][1], halmix.run(plan, image))


@pytest.mark.parametrize("dtype, layout", [("uint8", "HWC"), ("uint8", "CHW"), ("float16", "CHW"), ("float32", "CHW")])
def test_batches_of_any_sizes_become_one(dtype, layout):
    rng = np.random.default_rng(SEED)
    images = [noise(rng, mode="RGB") for _ in range(20)]
    arguments = {"seed": 5, "crop": (31, 33), "dtype": dtype, "layout": layout, **IMAGENET}
    batch = halmix.augmix_batch(images, **arguments, threads=2)
    assert batch.shape == ((20, 31, 33, 3) if layout == "HWC" else (20, 3, 31, 33)) and batch.dtype == dtype
    cropped = [by_pillow(image, halmix.sample(*image.size, seed=5, index=i, crop=(31, 33))) for i, image in enumerate(images)]
    plain = halmix.augmix_batch(cropped, **{**arguments, "crop": None})
    if int(Image.__version__.split(".")[0]) >= 13:
        assert np.array_equal(batch, plain)
    arrays = halmix.augmix_batch([np.asarray(image) for image in images], **arguments)
    assert np.array_equal(batch, arrays)


def test_a_transform_crops_by_its_seed_index_or_generator():
    image = noise(np.random.default_rng(SEED), mode="RGB").resize((90, 70))
    transform = halmix.AugMix(crop=(24, 36), seed=4)
    expected = halmix.run(halmix.sample(90, 70, seed=4, index=7, crop=(24, 36)), image)
    assert np.array_equal(transform(image, index=7), expected) and transform(image).size == (36, 24)
    assert np.array_equal(transform(np.asarray(image), index=7), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(transform))(image, index=7), expected)
    assert "crop=RandomResizedCrop(size=(24, 36)" in repr(transform)


def test_boxes_and_bytes_are_those_of_torchvisions_transforms():
    """One transform in place of three, in version 1 and 2: same box, same flip, same state of the generator."""
    torch = pytest.importorskip("torch")
    from torchvision import transforms as v1  # noqa: PLC0415
    from torchvision.transforms import v2  # noqa: PLC0415

    rng = np.random.default_rng(SEED)
    sizes = [(500, 375), (375, 500), (32, 32), (1000, 100), (60, 900), (3, 3), (1, 1), (7, 50)]
    images = [Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)) for width, height in sizes]
    settings = [
        {}, {"scale": (0.35, 1)}, {"scale": (0.9, 1.0), "ratio": (0.2, 5.0)}, {"scale": (0.5, 1), "ratio": (3 / 4, 2)},
    ]  # fmt: skip
    for seed in range(400 * SCALE):
        image, setting = images[seed % len(images)], settings[seed // len(images) % len(settings)]
        version, probability = (v1, v2)[seed % 2], rng.choice([0.3, 0.5, 1])
        crop = halmix.RandomResizedCrop(20, **setting, flip=probability)
        three = version.Compose([
            version.RandomResizedCrop(20, **setting), version.RandomHorizontalFlip(probability), halmix.AugMix(),
        ])  # fmt: skip
        torch.manual_seed(seed)
        expected, state = three(image), torch.get_rng_state()
        torch.manual_seed(seed)
        result = halmix.AugMix(crop=crop)(image)
        assert torch.equal(torch.get_rng_state(), state)
        if int(Image.__version__.split(".")[0]) >= 13:
            assert np.array_equal(result, expected), seed


class Photos:
    """Pictures of different sizes."""

    def __len__(self):
        return 23

    def __getitem__(self, index):
        return noise(np.random.default_rng(int(index)), mode="RGB"), int(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_data_sets_crop(workers):
    pytest.importorskip("torch")
    import halmix.torch  # noqa: PLC0415

    dataset = halmix.torch.AugMixDataset(Photos(), ("clean", "aug"), seed=8, crop=(30, 20), **IMAGENET)
    dataset.set_epoch(3)
    for pixels, labels in halmix.torch.DataLoader(dataset, batch_size=5, num_workers=workers):
        indices = labels.tolist()
        expected = halmix.augmix_batch(
            [Photos()[i][0] for i in indices], seed=8, epoch=3, indices=indices, views=("clean", "aug"), crop=(30, 20),
            dtype="float32", **IMAGENET,
        )  # fmt: skip
        assert np.array_equal(pixels.numpy(), expected.swapaxes(0, 1).reshape(-1, 3, 30, 20))


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"size": 0}, ValueError, "crop.size: 0; allowed are whole numbers 1"),
        ({"size": (1, 2, 3)}, TypeError, r"crop.size: \(1, 2, 3\); allowed are two numbers"),
        ({"size": 2.5}, TypeError, "crop.size: 2.5"),
        ({"size": True}, TypeError, "crop.size: True"),
        ({"size": 9, "scale": (0.5, 2)}, ValueError, "crop.max_scale: 2; allowed are numbers 0.5..1"),
        ({"size": 9, "scale": 0.5}, TypeError, "crop.scale: 0.5; allowed are two numbers"),
        ({"size": 9, "scale": (float("nan"), 1)}, ValueError, "crop.min_scale: nan"),
        ({"size": 9, "ratio": (0, 1)}, ValueError, "crop.min_ratio: 0"),
        ({"size": 9, "ratio": (2, 1)}, ValueError, "crop.max_ratio: 1; allowed are finite numbers from 2 up"),
        ({"size": 9, "ratio": ("a", 1)}, TypeError, "crop.ratio: 'a'; allowed are numbers"),
        ({"size": 9, "flip": 1.5}, ValueError, "crop.flip: 1.5; allowed are numbers 0..1"),
        ({"size": 9, "interpolation": "nearest"}, ValueError, "'nearest' is not a filter; allowed are bilinear, bicubic"),
        ({"size": 9, "interpolation": 2}, TypeError, "crop.interpolation: 2; allowed are names"),
        ({"size": 9, "order": "pillow"}, ValueError, "'pillow' is not a pass order"),
    ],
)
def test_crops_that_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        halmix.RandomResizedCrop(**arguments)


def test_images_that_do_not_fit_a_plan():
    plan = halmix.sample(60, 50, crop=8)
    with pytest.raises(ValueError, match="plan: it is for a source of 60x50 pixels; this one has 8x8"):
        halmix.run(plan, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="task 0: plan: it is for a result of 8x8 pixels; this one has 60x50"):
        halmix.augmix_batch(np.zeros((2, 50, 60, 3), np.uint8), seed=1, crop=8, out=np.zeros((2, 50, 60, 3), np.uint8))
