"""`halmix figure`: its pictures hold the engine's pixels, and nothing is cut off."""

import json
import os
import re
import signal
import subprocess
import time

import numpy as np
import pytest
import test_cli
from PIL import Image
from test_cli import HALMIX, failure, in_new_folder, listed_ops, picture, pixels, run  # noqa: F401

FRAME_WIDTH = 2
FRAME_GRAY = 0xB8B8B8


def noise(width, height, channels=3, seed=0):
    shape = (height, width, 3) if channels == 3 else (height, width)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def write_plan(name, size, chains, mix=0.625, weights=None, **more):
    chains = [
        {"weight": weight, "ops": ops} for weight, ops in zip(weights or [1 / len(chains)] * len(chains), chains)
    ]
    with open(name, "w") as file:
        json.dump({"version": 1, "width": size[0], "height": size[1], "mix": mix, **more, "chains": chains}, file)


def packed(array):
    """Each pixel as one number."""
    red, green, blue = [array] * 3 if array.ndim == 2 else np.moveaxis(array, -1, 0)
    return red.astype(np.uint32) << 16 | green.astype(np.uint32) << 8 | blue


class Figure:
    """A figure that the command draws, with what holds for every figure checked."""

    def __init__(self, *arguments):
        run("figure", *arguments, "-o", "figure.png")
        with Image.open("figure.png") as image:
            assert (image.format, image.mode) == ("PNG", "RGB")
            self.width, self.height = image.size
            self.pixels = packed(np.asarray(image))
        margin = 12
        for edge in (self.pixels[:margin], self.pixels[-margin:], self.pixels[:, :margin], self.pixels[:, -margin:]):
            assert (edge == 0xFFFFFF).all()
        frame = self.pixels == FRAME_GRAY
        here, left, above = frame[1:-1, 1:-1], frame[1:-1, :-2], frame[:-2, 1:-1]
        right, below, inner = frame[1:-1, 2:], frame[2:, 1:-1], frame[2:, 2:]
        self.corners = np.argwhere(here & right & below & inner & ~left & ~above).tolist()

    def places(self, block, scale=1):
        """Where an image stands, exactly, in its frame: the upper left corners (x, y)."""
        block = packed(block).repeat(scale, axis=0).repeat(scale, axis=1)
        block = np.pad(block, FRAME_WIDTH, constant_values=FRAME_GRAY)
        height, width = block.shape
        cuts = [((x + 1, y + 1), self.pixels[y + 1 : y + 1 + height, x + 1 : x + 1 + width]) for y, x in self.corners]
        return [place for place, cut in cuts if np.array_equal(cut, block)]

    def place(self, block, scale=1):
        (only,) = self.places(block, scale)
        return only

    def inside(self, corner):
        """A picture without its frame; must not itself hold the frame's gray."""
        y, x = (start + 1 + FRAME_WIDTH for start in corner)
        rest = self.pixels[y:, x:]
        return rest[: np.argmax(rest[:, 0] == FRAME_GRAY), : np.argmax(rest[0] == FRAME_GRAY)]

    def scale_of(self, image):
        """How many times an image's size the pictures have, a whole number. The original tells, on the left."""
        height, width = self.inside(min(self.corners, key=lambda corner: corner[::-1])).shape
        assert width % image.shape[1] == 0 and height * image.shape[1] == width * image.shape[0]
        return width // image.shape[1]


@pytest.mark.parametrize("channels", [1, 3])
def test_method_shows_every_step(channels):
    noise(180, 130, channels).save("in.png")
    ops = "rotate=-12,equalize,solarize=99", "", "translate_x=9,contrast=0.7"
    chains = [
        [{"op": "rotate", "value": -12}, {"op": "equalize"}, {"op": "solarize", "value": 99}],
        [],
        [{"op": "translate_x", "value": 9}, {"op": "contrast", "value": 0.7}],
    ]
    weights = 0.5, 0.25, 0.25
    write_plan("plan.json", (180, 130), chains, weights=weights, fill=[9, 200, 30])
    write_plan("all.json", (180, 130), chains, 1, weights, fill=[9, 200, 30])
    figure = Figure("in.png", "--plan", "plan.json")

    run("replay", "in.png", "-o", "result.png", "--plan", "plan.json")
    run("replay", "in.png", "-o", "combination.png", "--plan", "all.json")
    original, combination, result = (figure.place(pixels(f"{n}.png")) for n in ("in", "combination", "result"))
    assert original[1] == combination[1] == result[1]

    rows = []
    for chain in filter(None, ops):
        steps = []
        for count in range(1, chain.count(",") + 2):
            run("apply", "in.png", "-o", "step.png", "--fill", "9,200,30", "--ops", ",".join(chain.split(",")[:count]))
            steps.append(figure.place(pixels("step.png")))
        across = [x for x, _ in [original, *steps, combination, result]]
        assert across == sorted(across) and len({y for _, y in steps}) == 1
        rows.append(steps[0][1])
    assert rows[0] < original[1] < rows[1]
    assert original[1] - rows[0] == rows[1] - original[1] > 130  # the chain without ops has its row, too


@pytest.mark.parametrize("arguments", ["--seed 1", "--seed 2 --severity 8 --fill #0a7f00", "--epoch 3 --index 7 --ops safe"])
def test_result_is_that_of_augment(arguments):
    noise(180, 130).save("in.png")
    run("augment", "in.png", "-o", "result.png", "--plan-out", "plan.json", *arguments.split())
    figure = Figure("in.png", *arguments.split())
    original, result = min(figure.places(pixels("in.png"))), max(figure.places(pixels("result.png")))
    assert result[0] > original[0] and result[1] == original[1]
    np.testing.assert_array_equal(Figure("in.png", "--plan", "plan.json").pixels, figure.pixels)


def test_a_crop_is_shown_with_its_source():
    noise(180, 130).save("in.png")
    arguments = ["--seed", "3", "--crop", "150x140"]
    run("augment", "in.png", "-o", "result.png", "--plan-out", "plan.json", *arguments)
    figure = Figure("in.png", *arguments)
    plan = json.load(open("plan.json"))
    write_plan("cut.json", (150, 140), [[]], 0, version=2, resized_crop=plan["resized_crop"])
    run("replay", "in.png", "-o", "cut.png", "--plan", "cut.json")
    crop, result = figure.places(pixels("cut.png"))[0], figure.places(pixels("result.png"))[-1]
    source = min(figure.corners, key=lambda corner: corner[1])
    assert source[1] < crop[0] < result[0] and crop[1] == result[1]
    np.testing.assert_array_equal(Figure("in.png", "--plan", "plan.json").pixels, figure.pixels)


def test_same_bytes_everywhere():
    picture(97, 61).save("in.png")
    listed = json.loads(run("targets", "--json").stdout)["targets"]
    targets = [row["name"] for row in listed if row["available"]]
    assert targets
    for more in ([], ["--grid", "3"]):
        files = set()
        for target in ["auto", "auto", *targets]:
            files.add(run("figure", "in.png", "-o", "/dev/stdout", "--target", target, *more).stdout)
        assert len(files) == 1 and files.pop().startswith(b"\x89PNG")


@pytest.mark.parametrize("size", [(8, 6), (32, 32), (5, 40), (3, 1)])
def test_small_images_are_enlarged_by_whole_pixels(size):
    noise(*size).save("in.png")
    run("augment", "in.png", "-o", "result.png", "--ops", "brightness,contrast", "--seed", "3")
    figure = Figure("in.png", "--ops", "brightness,contrast", "--seed", "3")
    scale = figure.scale_of(pixels("in.png"))
    assert scale > 1 and scale * size[0] > 100 or scale * size[1] > 600
    assert figure.places(pixels("result.png"), scale)


def test_large_images_are_averaged():
    """Of a chessboard of single pixels, which any other way to shrink it would make a pattern, only gray is left."""
    board = (np.indices((1300, 2000)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save("in.png")
    write_plan("plan.json", (2000, 1300), [[{"op": "brightness", "value": 1}]])
    figure = Figure("in.png", "--plan", "plan.json")
    assert len(figure.corners) == 4
    for corner in figure.corners:
        inside = figure.inside(corner)
        height, width = inside.shape
        assert width > 300 and height == pytest.approx(width * 1300 / 2000, abs=1)
        assert (abs((inside & 0xFF).astype(int) - 127) < 20).all()


@pytest.mark.parametrize("width", [1, 2, 3, 16])
@pytest.mark.parametrize("depth", [1, 3, 8, 16])
def test_any_width_and_depth(width, depth):
    picture(90, 60).save("in.png")
    figure = Figure("in.png", "--width", width, "--depth", depth)
    assert figure.width <= 2600 and figure.height <= 3520
    assert len(figure.corners) >= width * depth + 3
    run("augment", "in.png", "-o", "result.png", "--width", width, "--depth", depth)
    scale = figure.scale_of(pixels("in.png"))
    assert scale == {1: 5, 3: 3, 8: 1, 16: 1}[depth] or width == 16
    assert figure.places(pixels("result.png"), scale)


SHAPES = [(1, 1), (1, 2), (2, 1), (1, 500), (500, 1), (3, 2000), (2000, 3), (1, 40000), (40000, 1), (300, 7), (7, 300)]


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_extreme_shapes(size, channels):
    noise(*size, channels).save("in.png")
    many = ["--width", "16", "--depth", "16" if max(size) < 9999 else "3"]
    for more in (many, ["--width", "1", "--depth", "1"], ["--seed", "5"], ["--grid", "5"]):
        figure = Figure("in.png", *more)
        assert figure.width <= 2700 and figure.height <= 3520


def test_the_values_are_shown():
    """On one pixel: what differs is text."""
    Image.new("RGB", (1, 1), (90, 90, 90)).save("in.png")

    def drawn(*chains, **more):
        write_plan("plan.json", (1, 1), chains, **more)
        return Figure("in.png", "--plan", "plan.json").pixels.tobytes()

    calls = []
    for op, low, _ in listed_ops():
        calls += [{"op": op, "value": value} for value in (2, 3, -3) if float(low) <= value] if low else [{"op": op}]
    seen = {drawn([call]) for call in calls}
    assert len(seen) == len(calls)
    seen |= {drawn(calls[:1], mix=mix) for mix in (0, 0.37, 1)}
    seen |= {drawn(calls[:1], calls[:1], weights=weights) for weights in ((0.5, 0.5), (0.25, 0.75), (0.75, 0.25))}
    seen.add(drawn([]))
    seen.add(drawn([], []))
    assert len(seen) == len(calls) + 8


def test_long_values_fit():
    Image.new("L", (3, 2)).save("in.png")
    wide = [{"op": "translate_x", "value": -2147483647}, {"op": "shear_y", "value": -1000}, {"op": "rotate", "value": -1e-9}]
    write_plan("plan.json", (3, 2), [wide * 5] * 16)
    Figure("in.png", "--plan", "plan.json")


@pytest.mark.parametrize("count", [1, 2, 3, 8, 24])
@pytest.mark.parametrize("size", [(40, 30), (20, 50)])
def test_grid(count, size):
    noise(*size).save("in.png")
    # Ops that leave no two results the same.
    options = ["--ops", "rotate,brightness,contrast,equalize", "--severity", "9", "--seed", "4"]
    first = 11
    figure = Figure("in.png", "--grid", count, "--index", first, *options)
    scale = figure.scale_of(pixels("in.png"))
    found = [figure.place(pixels("in.png"), scale)]
    for index in range(first, first + count):
        run("augment", "in.png", "-o", "result.png", "--index", index, *options)
        found.append(figure.place(pixels("result.png"), scale))
    assert found == sorted(found, key=lambda place: place[::-1])
    assert len(figure.corners) >= count + 1
    columns, rows = (len(set(values)) for values in zip(*found))
    assert columns - 1 <= rows <= columns and columns * rows >= count + 1 > columns * (rows - 1)


def test_grid_counts_past_the_last_index():
    noise(6, 4).save("in.png")
    last = 2**64 - 1
    run("augment", "in.png", "-o", "zero.png", "--index", "0", "--ops", "contrast")
    figure = Figure("in.png", "--grid", "2", "--index", last, "--ops", "contrast")
    assert figure.places(pixels("zero.png"), figure.scale_of(pixels("in.png")))


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ("figure", "IN is required"),
        ("figure in.png", "--output is required"),
        ("figure in.png in.png -o out.png", "in.png"),
        ("figure in.png -o out.jpg", "out.jpg: a figure is a PNG"),
        ("figure in.png -o .", ".: is a folder"),
        ("figure in.png -o out.png --grid 0", "--grid"),
        ("figure in.png -o out.png --grid 1001", "--grid"),
        ("figure in.png -o out.png --grid x", "--grid"),
        ("figure in.png -o out.png --width 17", "width"),
        ("figure in.png -o out.png --ops bogus", "bogus"),
        ("figure in.png -o out.png --target bogus", "this build has auto, cpu-"),
        ("figure in.png -o out.png --plan plan.json --seed 0", "--plan: cannot be combined with --seed"),
        ("figure in.png -o out.png --plan plan.json --fill 1,2,3", "--plan: cannot be combined with --fill"),
        ("figure in.png -o out.png --plan plan.json --grid 3", "--plan: cannot be combined with --grid"),
    ],
)
def test_wrong_command_lines(arguments, expected):
    picture().save("in.png")
    line = failure(*arguments.split(), code=2)
    assert line.startswith("halmix figure: ") and expected in line, line
    assert os.listdir() == ["in.png"]


def test_bad_files():
    picture().save("in.png")
    Image.fromarray(np.arange(3072, dtype=np.uint16).reshape(48, 64)).save("deep.png")
    picture().save("out.png")
    before = open("out.png", "rb").read()
    with open("truncated.png", "wb") as file:
        file.write(open("in.png", "rb").read()[:-50])
    open("empty.png", "wb").close()
    os.mkdir("folder")
    write_plan("other.json", (64, 47), [[]])
    write_plan("bad.json", (64, 48), [[{"op": "rotate", "value": 999}]])
    for arguments, start, expected in [
        ("missing.png", "missing.png: ", ""),
        ("empty.png", "empty.png: ", ""),
        ("truncated.png", "truncated.png: ", ""),
        ("deep.png", "deep.png: ", "16 bits"),
        ("folder", "folder: ", ""),
        ("in.png --plan missing.json", "missing.json: ", ""),
        ("in.png --plan in.png", "in.png: ", ""),
        ("in.png --plan bad.json", "bad.json: ", "999"),
        ("in.png --plan other.json", "in.png: is 64 x 48 pixels, but the plan other.json is for 64 x 47", ""),
    ]:
        line = failure("figure", *arguments.split(), "-o", "out.png", code=1)
        assert line.startswith(start) and expected in line, line
    assert failure("figure", "in.png", "-o", "no/out.png", code=1).startswith("no/out.png: ")
    assert open("out.png", "rb").read() == before
    assert not [name for name in os.listdir() if name.startswith(".halmix")]


def test_interrupt_leaves_nothing():
    picture().save("in.png")
    data = open("in.png", "rb").read()
    os.mkfifo("pipe")
    process = subprocess.Popen([HALMIX, "figure", "pipe", "-o", "out.png"], stderr=subprocess.PIPE)
    with open("pipe", "wb") as pipe:  # waits until the command reads
        pipe.write(data[:100])
        pipe.flush()
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        pipe.write(data[100:])
    stderr = process.communicate(timeout=60)[1].decode()
    assert process.returncode == -signal.SIGINT
    assert re.fullmatch(r"pipe: interrupted; [^\n]*\n", stderr), stderr
    assert sorted(os.listdir()) == ["in.png", "pipe"]


def test_help():
    test_cli.test_help_has_examples_that_run("figure")
