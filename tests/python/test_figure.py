"""The method's picture, the grid of results, and batches with a bar."""

import importlib.util
import itertools
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest
from conftest import make_image
from PIL import Image, ImageDraw

import halmix
from halmix._figure import FRAME, draw

ROOT = pathlib.Path(__file__).resolve().parents[2]


def expected(pixels, plan):
    """What the pictures of a figure are, in their order."""
    yield pixels
    for _, ops in plan.chains:
        for k in range(len(ops)):
            yield halmix.apply(pixels, ops[: k + 1], fill=plan.fill)
    yield halmix.run(plan, pixels)


def as_rgb(pixels):
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def check(pixels, plan, magnified=1):
    """Each picture is there, in its frame, and none lies on another or on text."""
    page, places = draw(pixels, plan)
    assert page.mode == "RGB"
    shown = np.asarray(page).copy()
    height, width = (magnified * length for length in pixels.shape[:2])
    pictures = [*expected(pixels, plan)]
    assert len(places) == len(pictures)
    for ((left, top), given), picture in zip(places, pictures):
        assert np.array_equal(given, picture)
        assert 0 < left and 0 < top and left + width < page.width and top + height < page.height
        whole = np.kron(as_rgb(given), np.ones((magnified, magnified, 1), np.uint8))
        assert np.array_equal(shown[top : top + height, left : left + width], whole)
    for ((x, y), _), ((other_x, other_y), _) in itertools.combinations(places, 2):
        assert abs(x - other_x) > width or abs(y - other_y) > height
    # What is around a picture is its frame, so no text, line or other picture comes over it.
    for (left, top), _ in places:
        around = shown[top - 1 : top + height + 1, left - 1 : left + width + 1]
        assert (around[[0, -1]] == FRAME).all() and (around[:, [0, -1]] == FRAME).all()
    assert (shown[[0, -1]] == 255).all() and (shown[:, [0, -1]] == 255).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("chains,depth", [(1, 1), (3, -1), (8, 6)])
def test_pictures_are_results(rng, channels, chains, depth):
    pixels = make_image(rng, 97, 66, channels)
    for index in range(3):
        check(
            pixels, halmix.sample(97, 66, seed=1, index=index, chains=chains, depth=depth, severity=7, fill=(9, 8, 7))
        )


@pytest.mark.parametrize(
    "width,height,magnified", [(1, 1, 128), (32, 32, 4), (63, 5, 2), (5, 63, 2), (64, 3, 1), (1, 200, 1)]
)
def test_tiny_pictures_are_magnified(rng, width, height, magnified):
    pixels = make_image(rng, width, height)
    check(pixels, halmix.sample(width, height, seed=2, chains=4, depth=2), magnified)


def boxes_of_text(monkeypatch, image, plan):
    """Where a figure has text."""
    boxes = []
    text = ImageDraw.ImageDraw.text

    def noted(self, place, string, **options):
        kept = {name: options[name] for name in ("font", "anchor")}
        boxes.append(self.textbbox(place, string, **kept))
        text(self, place, string, **options)

    with monkeypatch.context() as patched:
        patched.setattr(ImageDraw.ImageDraw, "text", noted)
        page, places = draw(image, plan)
    return boxes, page, places


@pytest.mark.parametrize("width,height", [(1, 1), (32, 32), (64, 2), (2, 64), (224, 160)])
def test_captions_are_apart(rng, monkeypatch, width, height):
    pixels = make_image(rng, width, height)
    names = [op["name"] for op in halmix.ops()]
    ends = [[(op["name"], op["range"][k]) if op["range"] else op["name"] for op in halmix.ops()] for k in (0, 1)]
    plans = [
        halmix.sample(width, height, seed=3, chains=8, depth=6, severity=10),
        halmix.Plan(width, height, 0.25, [(0.5, calls[i : i + 6]) for i, calls in zip((0, len(names) - 6), ends)]),
        halmix.Plan(width, height, 1, [(1, ["equalize"])]),
    ]
    for plan in plans:
        boxes, page, places = boxes_of_text(monkeypatch, pixels, plan)
        factor = 1 if max(width, height) >= 64 else 128 // max(width, height)
        boxes += [(x - 1, y - 1, x + factor * width + 1, y + factor * height + 1) for (x, y), _ in places]
        for one, other in itertools.combinations(boxes, 2):
            apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            assert apart, (one, other)
        for left, top, right, bottom in boxes:
            assert left >= 0 and top >= 0 and right <= page.width and bottom <= page.height


def test_large_pictures_are_reduced(rng):
    pixels = make_image(rng, 500, 300)
    plan = halmix.sample(500, 300, seed=1, chains=2, depth=1)
    page, places = draw(pixels, plan)
    (left, top), _ = places[0]
    mean = Image.fromarray(pixels).resize((224, 134), Image.Resampling.BOX)
    assert page.crop((left, top, left + 224, top + 134)).tobytes() == mean.tobytes()
    assert page.width < 5 * 300


def test_images_of_all_kinds(rng):
    pixels = make_image(rng, 70, 64)
    plan = halmix.sample(70, 64, seed=4)
    whole = halmix.figure(pixels, plan)
    assert isinstance(whole, Image.Image)
    assert halmix.figure(Image.fromarray(pixels), plan) == whole
    gray = pixels[..., 0]
    assert halmix.figure(gray[..., None], plan) == halmix.figure(Image.fromarray(gray), plan)
    assert halmix.figure(pixels[::-1, ::-1], plan) == halmix.figure(pixels[::-1, ::-1].copy(), plan)
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    assert halmix.figure(tensor, plan) == whole
    with pytest.raises(ValueError, match="CHW"):
        halmix.figure(tensor[None], plan)


def test_chains_without_ops():
    check(np.full((70, 70, 3), 9, np.uint8), halmix.Plan(70, 70, 0.5, [(0.5, []), (0.5, ["equalize"])]))


@pytest.mark.parametrize(
    "image,plan,error,name",
    [
        (np.zeros((8, 8, 3), np.uint8), None, TypeError, "plan"),
        (np.zeros((8, 9, 3), np.uint8), halmix.sample(8, 8), ValueError, "8x8"),
        (np.zeros((8, 8, 3), np.float32), halmix.sample(8, 8), TypeError, "image"),
        (np.zeros((8, 8, 4), np.uint8), halmix.sample(8, 8), ValueError, "image"),
        (Image.new("RGBA", (8, 8)), halmix.sample(8, 8), ValueError, "RGBA"),
        ("photo.jpg", halmix.sample(8, 8), TypeError, "image"),
    ],
)
def test_what_is_no_figure(image, plan, error, name):
    with pytest.raises(error, match=name):
        halmix.figure(image, plan)


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        halmix.figure(np.zeros((8, 8), np.uint8), halmix.sample(8, 8))


def test_grid(tmp_path):
    program = ROOT / "examples" / "python" / "grid.py"
    output = tmp_path / "grid.png"
    paths = str(pathlib.Path(halmix.__file__).parents[1])
    subprocess.run(
        [sys.executable, program, ROOT / "data" / "chelsea.jpg", output], check=True, env={"PYTHONPATH": paths}
    )
    with Image.open(output) as made, Image.open(ROOT / "docs" / "python-grid.png") as shown:
        assert made.size == shown.size
    assert (ROOT / "docs" / "python-grid.png").stat().st_size < 400_000


@pytest.fixture
def bars(monkeypatch):
    """The bars that were made, by a stand-in for tqdm: how many images, and after which counts they were drawn."""
    made = []

    class Bar:
        def __init__(self, total, unit):
            self.total, self.steps, self.closed = total, [], False
            made.append(self)

        def update(self, count):
            self.steps.append(count)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.closed = True

    package, module = types.ModuleType("tqdm"), types.ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", package)
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    return made


@pytest.mark.parametrize("threads", [0, 1, 2])
@pytest.mark.parametrize("views", [("aug",), ("clean", "aug", "aug")])
def test_a_bar_changes_no_result(rng, bars, threads, views):
    images = np.stack([make_image(rng, 9, 7) for _ in range(150)])
    given = {"seed": 5, "indices": range(1000, 1150), "views": views, "threads": threads}
    wanted = halmix.augmix_batch(images, **given)
    assert not bars
    assert np.array_equal(halmix.augmix_batch(images, **given, progress=True), wanted)
    assert bars[0].total == sum(bars[0].steps) == 150 and bars[0].closed
    assert threads == 0 or bars[0].steps == [64, 64, 22]

    out = np.zeros(wanted.shape, np.uint8)
    assert halmix.augmix_batch([*images], **given, progress=True, out=out) is out
    assert np.array_equal(out, wanted)
    lists = [np.zeros((7, 9, 3), np.uint8) for _ in range(150 * len(views))]
    halmix.augmix_batch([Image.fromarray(image) for image in images], **given, progress=True, out=lists)
    assert np.array_equal(np.stack(lists), wanted.reshape(-1, 7, 9, 3))

    sizes = [image[: 1 + i % 7] for i, image in enumerate(images)]
    for one, other in zip(halmix.augmix_batch(sizes, **given), halmix.augmix_batch(sizes, **given, progress=True)):
        assert np.array_equal(one, other)


def test_a_bar_and_what_is_not_allowed(bars):
    images = np.zeros((150, 6, 5, 3), np.uint8)
    out = np.zeros((151, 6, 5, 3), np.uint8)
    with pytest.raises(ValueError, match="room for 151 results"):
        halmix.augmix_batch(images, seed=0, out=out, progress=True)
    with pytest.raises(TypeError, match="out"):
        halmix.augmix_batch(images, seed=0, out=3, progress=True)
    assert halmix.augmix_batch([], seed=0, progress=True).shape == (0,)


def test_a_bar_without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="pip install tqdm"):
        halmix.augmix_batch(np.zeros((2, 6, 5, 3), np.uint8), seed=0, progress=True)


@pytest.mark.skipif(not importlib.util.find_spec("tqdm"), reason="tqdm is not installed")
def test_the_bar_of_tqdm(capfd):
    halmix.augmix_batch(np.zeros((70, 6, 5, 3), np.uint8), seed=0, progress=True)
    assert "70/70" in capfd.readouterr().err
