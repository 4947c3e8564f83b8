"""torch's tensors and torchvision's containers."""

import pickle

import numpy as np
import pytest
import recorder
from conftest import make_image

import halmix

torch = pytest.importorskip("torch", reason="torch is not installed: scripts/setup --python-extras")


def test_tensors_are_their_images(photo):
    plan = halmix.sample(photo.shape[1], photo.shape[0], index=3)
    expected = halmix.run(plan, photo).transpose(2, 0, 1)
    tensor = torch.from_numpy(photo.transpose(2, 0, 1).copy())
    for image in tensor, torch.from_numpy(photo).permute(2, 0, 1):  # planes, and channels last
        result = halmix.run(plan, image)
        assert result.dtype == torch.uint8 and np.array_equal(result.numpy(), expected)
    for dtype in torch.float32, torch.float64:
        floats = halmix.run(plan, tensor.to(dtype) / 255)
        levels = (tensor.to(dtype) / 255).mul(255).to(torch.uint8).numpy().transpose(1, 2, 0)
        wanted = torch.from_numpy(halmix.run(plan, np.ascontiguousarray(levels))).permute(2, 0, 1)
        assert floats.dtype == dtype and torch.equal(floats, wanted.to(dtype) / 255)
    gray = torch.from_numpy(photo[None, ..., 0].copy())
    assert np.array_equal(halmix.run(plan, gray)[0].numpy(), halmix.run(plan, photo[..., 0]))


def test_batches_of_tensors_draw_for_each_image(photo):
    batch = torch.from_numpy(photo.transpose(2, 0, 1).copy()).repeat(5, 1, 1, 1)
    torch.manual_seed(3)
    first = halmix.AugMix()(batch)
    torch.manual_seed(3)
    assert torch.equal(halmix.AugMix()(batch), first)
    assert len({one.numpy().tobytes() for one in first}) == 5
    arrays = halmix.augmix_batch(batch, seed=4, dtype="float32")
    assert np.array_equal(arrays, halmix.augmix_batch(batch.permute(0, 2, 3, 1).numpy(), seed=4, dtype="float32"))
    listed = halmix.augmix_batch(list(batch), seed=4, dtype="float32")
    assert np.array_equal(listed, arrays)


def test_tensors_that_are_not_allowed(photo):
    image = torch.from_numpy(photo.transpose(2, 0, 1).copy())
    transform = halmix.AugMix()
    for wrong in image.int(), image.to(torch.int8), image > 3:
        with pytest.raises(TypeError, match="image"):
            transform(wrong)
    for wrong in image[0], image[:2], image[None, None], image / 2, image.float() * float("nan"), image[:, :0]:
        with pytest.raises(ValueError):
            transform(wrong)
    with pytest.raises(ValueError, match="meta"):
        transform(torch.empty(3, 4, 4, dtype=torch.uint8, device="meta"))


def test_tv_tensors_stay_what_they_are(photo):
    tv_tensors = pytest.importorskip("torchvision.tv_tensors", reason="torchvision is not installed")
    from torchvision.transforms import v2

    image = tv_tensors.Image(torch.from_numpy(photo.transpose(2, 0, 1).copy()))
    result = halmix.AugMix(seed=1)(image)
    assert isinstance(result, tv_tensors.Image) and result.dtype == torch.uint8
    both = v2.Compose([v2.RandomHorizontalFlip(), halmix.AugMix(seed=1)])(image, 7)
    assert isinstance(both[0], tv_tensors.Image) and both[1] == 7


def test_in_torchvisions_compose(photo):
    transforms = pytest.importorskip("torchvision.transforms", reason="torchvision is not installed")
    from PIL import Image

    compose = transforms.Compose([transforms.RandomCrop(32), halmix.AugMix(), transforms.ToTensor()])
    torch.manual_seed(5)
    first = compose(Image.fromarray(photo))
    torch.manual_seed(5)
    assert torch.equal(compose(Image.fromarray(photo)), first) and first.shape == (3, 32, 32)
    assert "AugMix(severity=3" in repr(compose)
    assert halmix.AugMix(interpolation=transforms.InterpolationMode.BILINEAR).severity == 3
    pickle.loads(pickle.dumps(compose))


class Photos(torch.utils.data.Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 24

    def __getitem__(self, index):
        return torch.from_numpy(self.transform(make_image(np.random.default_rng(0), 24, 24)))


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("seed", [None, 3])
def test_workers_draw_what_no_other_does(context, seed):
    halmix.AugMix(seed=1)(make_image(np.random.default_rng(0), 24, 24))
    loader = torch.utils.data.DataLoader(
        Photos(halmix.AugMix(seed=seed)), batch_size=4, num_workers=2, multiprocessing_context=context
    )
    torch.manual_seed(1)
    epochs = [torch.cat(list(loader)) for _ in range(2)]
    assert len({image.numpy().tobytes() for epoch in epochs for image in epoch}) == 48
    torch.manual_seed(1)
    assert torch.equal(torch.cat(list(loader)), epochs[0])


def test_composers_results_for_tensors(photo, scale):
    """What to_pil_image and to_tensor make of the images between, as Composer's map_pillow_function does."""
    functional = pytest.importorskip("torchvision.transforms.functional", reason="torchvision is not installed")
    rng = np.random.default_rng(2)
    for _ in range(100 * scale):
        pixels = make_image(rng, int(rng.integers(1, 50)), int(rng.integers(1, 50)))
        image = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
        images = [image, image.float() / 255, torch.stack([image, image.flip(1)])][rng.integers(3)]
        seed = int(rng.integers(2**31))
        np.random.seed(seed)
        singles = images if images.ndim == 4 else images[None]
        expected = [
            functional.to_tensor(recorder.AUGMIX.augmix_image(functional.to_pil_image(one), augmentation_set=SETS["all"]))
            for one in singles
        ]
        state = np.random.get_state()[1]
        np.random.seed(seed)
        got = halmix.augmix_image(images)
        assert torch.equal(got if images.ndim == 4 else got[None], torch.stack(expected))
        assert np.array_equal(np.random.get_state()[1], state)


SETS = recorder.PRIMITIVES.augmentation_sets
