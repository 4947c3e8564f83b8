"""What goes in and what comes out: types, shapes, memory."""

import numpy as np
import pytest
from conftest import make_image
from PIL import Image

import halmix
from halmix import _images

SHAPES = [(1, 1), (1, 7), (7, 1), (3, 2), (21, 37), (64, 64)]


@pytest.mark.parametrize("height,width", SHAPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_pillow_and_numpy_agree(rng, height, width, channels):
    pixels = make_image(rng, width, height, channels)
    image = Image.fromarray(pixels)
    for index in range(5):
        plan = halmix.sample(width, height, index=index)
        from_array, from_image = halmix.run(plan, pixels), halmix.run(plan, image)
        assert from_array.shape == pixels.shape and from_array.dtype == np.uint8
        assert (from_image.mode, from_image.size) == (image.mode, image.size)
        assert np.array_equal(np.asarray(from_image), from_array)
        with_axis = pixels.reshape(height, width, channels)
        assert np.array_equal(halmix.run(plan, with_axis), from_array.reshape(with_axis.shape))


def test_results_of_pillow_may_be_changed(photo):
    image = Image.fromarray(photo)
    result = halmix.run(halmix.sample(*image.size), image)
    before = result.tobytes()
    copy = result.copy()
    result.putpixel((0, 0), (1, 2, 3))
    assert result.getpixel((0, 0)) == (1, 2, 3)
    assert copy.tobytes() == before
    result.paste((9, 9, 9), (0, 0, 5, 5))
    del copy
    assert result.resize((5, 5)).size == (5, 5)


def test_memory_that_pillow_only_borrows_is_copied_before_pillow_13(rng, tmp_path, monkeypatch):
    """Pillow 11.2.1 to 12.3 end the process when asked for the memory of such an image."""
    gray = make_image(rng, 64, 48, 1)
    of_array = Image.fromarray(gray)
    of_array.save(tmp_path / "gray.pgm")
    of_file, own = Image.open(tmp_path / "gray.pgm"), of_array.copy()
    ours = halmix.apply(own, [("posterize", 8)])
    monkeypatch.setattr(_images, "_shows_borrowed_memory", lambda: False)
    for image in of_array, of_file, ours:
        assert np.array_equal(_images.pillow_source(image), gray)
        assert np.array_equal(np.asarray(halmix.apply(image, [("posterize", 8)])), gray)
    assert type(_images.pillow_source(own)) is tuple or not _images._shows_memory()


@pytest.mark.parametrize("channels", [1, 3])
def test_large_pillow_images_in_several_blocks(rng, channels):
    """Pillow hands out memory of one block only, of 16 MB."""
    pixels = np.tile(make_image(rng, 250, 110, channels), (20, 10) + (1,) * (channels == 3))
    image = Image.fromarray(pixels)
    plan = halmix.Plan(image.width, image.height, 1.0, [(1.0, ["equalize"])])
    result = halmix.run(plan, image)
    assert np.array_equal(np.asarray(result), halmix.run(plan, pixels))


def test_views_of_arrays(photo):
    plan = halmix.sample(photo.shape[1], photo.shape[0], index=4)
    expected = halmix.run(plan, photo)
    upside_down = np.ascontiguousarray(photo[::-1])[::-1]
    wide = np.zeros((photo.shape[0], photo.shape[1] + 9, 3), np.uint8)
    wide[:, 4:-5] = photo
    planes = np.ascontiguousarray(photo.transpose(2, 0, 1)).transpose(1, 2, 0)
    fixed = photo.copy()
    fixed.flags.writeable = False
    for view in upside_down, wide[:, 4:-5], planes, np.asfortranarray(photo), fixed, photo[:, ::-1][:, ::-1]:
        assert np.array_equal(halmix.run(plan, view), expected)
    mirrored = photo[:, ::-1]
    assert np.array_equal(halmix.run(plan, mirrored), halmix.run(plan, mirrored.copy()))


@pytest.mark.parametrize("mode", ["RGBA", "P", "1", "I;16", "LA", "CMYK", "YCbCr", "F", "I"])
def test_other_modes_are_errors(mode):
    image = Image.new(mode, (8, 8))
    for call in halmix.AugMix(), halmix.augmix_image:
        with pytest.raises(ValueError, match="mode"):
            call(image)


@pytest.mark.parametrize(
    "image,error",
    [
        (np.zeros((4, 4, 3), np.float32), TypeError),
        (np.zeros((4, 4, 3), np.int8), TypeError),
        (np.zeros((4, 4, 3), bool), TypeError),
        (np.zeros((4, 4, 3), ">u2"), TypeError),
        (np.zeros((4, 4, 2), np.uint8), ValueError),
        (np.zeros((4, 4, 4), np.uint8), ValueError),
        (np.zeros((0, 4, 3), np.uint8), ValueError),
        (np.zeros(4, np.uint8), ValueError),
        (np.zeros((), np.uint8), ValueError),
        (np.zeros((2, 4, 4, 3), np.uint8), ValueError),
        ("image.png", TypeError),
        (None, TypeError),
        (b"1234", TypeError),
    ],
)
def test_what_is_no_image_is_an_error(image, error):
    for call in halmix.AugMix(), halmix.augmix_image:
        with pytest.raises(error, match="image"):
            call(image)


def test_lists_and_labels(photo):
    transform = halmix.AugMix(seed=1)
    images = transform([photo, photo])
    assert isinstance(images, list) and not np.array_equal(*images)
    image, label = transform(photo, 7)
    assert label == 7 and image.shape == photo.shape
