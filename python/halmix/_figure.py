"""The method's picture: what a plan does to an image, drawn with Pillow."""

import math

import numpy as np

from ._core import Plan
from ._functional import apply, ops, run
from ._images import is_cuda, is_pillow, is_tensor, pillow_source, tensor_levels

LARGEST = 224  # pixels; larger pictures are reduced
TINY = 64  # pixels; smaller pictures are magnified to at most twice as much
FONT = 14
MARGIN, GAP, ROW_GAP = 20, 26, 14
LINE = 18  # from one line of text to the next
HEAD = 6  # length of an arrow's head
WHITE, BLACK, GRAY, BLUE, FRAME = (255,) * 3, (0,) * 3, (100,) * 3, (20, 70, 150), (190,) * 3

#: How a value is shown, by its unit: with what Pillow's own font has.
NOTATIONS = {
    "bits": "{:.0f} bit",
    "degrees": "{:.4g}°",
    "factor": "factor {:z.2f}",
    "pixels": "{:z.0f} px",
    "slope": "slope {:z.3f}",
    "threshold": ">= {:.0f}",
}


def figure(image, plan):
    """The method's picture for an image and a plan for it, as a PIL image.

    The original, or what a plan cuts out of it, is on the left, then comes a row for each chain, with the picture after
    each op and the chain's weight, and on the right what `run` returns. A notebook shows the result as it shows all PIL images::

        halmix.figure(photo, halmix.sample(*photo.size, seed=7))

    Args:
        image: a PIL image (L, RGB), an array of uint8 (H, W) or (H, W, C), or a tensor (C, H, W) on the CPU.
        plan: what is done, from `sample` or a `Plan` of your own.

    Pictures larger than 224 pixels on a side are reduced; those below 64 are magnified, each pixel to a square. Needs
    Pillow 10.1 or later with FreeType, as its wheels have it.
    """
    return draw(image, plan)[0]


def draw(image, plan):
    """The figure, and of each picture in it the left upper corner and the image: the original, those of each chain,
    the result."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise ImportError("halmix.figure draws with Pillow, which is not installed: pip install pillow") from None
    try:
        font = ImageFont.load_default(FONT)
    except (TypeError, ImportError):
        raise ImportError("halmix.figure needs Pillow 10.1 with FreeType: pip install --upgrade pillow") from None
    pixels, first_caption = _pixels(image), ["original"]
    result = run(plan, pixels)
    if plan.resized_crop is not None:
        pixels = run(Plan(plan.width, plan.height, 0, [(1, [])], plan.fill, plan.resized_crop), pixels)
        first_caption = ["crop, flipped" if plan.resized_crop["mirror"] else "crop"]
    units = {op["name"]: op["unit"] for op in ops()}
    chains = [
        [(apply(pixels, steps[: k + 1], fill=plan.fill), _caption(op, units)) for k, op in enumerate(steps)]
        for _, steps in plan.chains
    ]
    weights = [f"w{row + 1} = {weight:.2f}" for row, (weight, _) in enumerate(plan.chains)]
    ends = [(pixels, first_caption), (result, ["mixture", f"m = {plan.mix:.2f}"])]

    # Sizes: all cells are as wide as the pictures, or as the longest caption.
    shown_size, magnified = _shown_size(plan.width, plan.height)
    lines = [line for chain in chains for _, caption in chain for line in caption]
    lines += [line for _, caption in ends for line in caption]
    cell = max(shown_size[0], *(math.ceil(font.getlength(line)) for line in lines))
    weight_width = max(math.ceil(font.getlength(text)) for text in weights) + GAP // 2
    steps = max(len(chain) for chain in chains)
    pitch = max(shown_size[1], 2 * LINE) + 2 * LINE + ROW_GAP  # a weight's text stands beside its picture
    centre = shown_size[1] // 2 + max(0, LINE - shown_size[1] // 2)  # of a row, from its top
    first = MARGIN + cell + GAP  # the left of the first steps, the weights, the result
    weight_x = first + steps * (cell + GAP)
    last = weight_x + weight_width + 2 * GAP
    page = Image.new("RGB", (last + cell + MARGIN, 2 * MARGIN + len(chains) * pitch - ROW_GAP), WHITE)
    pen = ImageDraw.Draw(page)
    places = []

    def picture(left, y, pixels, caption):
        place = left + (cell - shown_size[0]) // 2, y - shown_size[1] // 2
        shown = Image.fromarray(pixels).convert("RGB")
        filtering = Image.Resampling.NEAREST if magnified else Image.Resampling.BOX
        page.paste(shown if shown.size == shown_size else shown.resize(shown_size, filtering), place)
        right, bottom = place[0] + shown_size[0], place[1] + shown_size[1]
        pen.rectangle((place[0] - 1, place[1] - 1, right, bottom), outline=FRAME)
        for k, text in enumerate(caption):
            middle = left + cell / 2
            pen.text((middle, bottom + 3 + k * LINE), text, font=font, anchor="ma", fill=GRAY if k else BLACK)
        places.append((place, pixels))
        return place[0] - 3, right + 2  # where lines end and begin

    def arrow(*path):
        pen.line(path, fill=GRAY)
        x, y = path[-1]
        pen.polygon([(x, y), (x - HEAD, y - HEAD // 2), (x - HEAD, y + HEAD // 2)], fill=GRAY)

    rows = [MARGIN + row * pitch + centre for row in range(len(chains))]
    middle = (rows[0] + rows[-1]) // 2
    trunk, collector = first - GAP * 3 // 4, last - GAP - GAP // 2
    _, x = picture(MARGIN, middle, *ends[0])
    pen.line([(x, middle), (trunk, middle)], fill=GRAY)
    pen.line([(trunk, rows[0]), (trunk, rows[-1])], fill=GRAY)
    for y, chain, weight in zip(rows, chains, weights):
        x = trunk
        for column, (step, caption) in enumerate(chain):
            before, after = picture(first + column * (cell + GAP), y, step, caption)
            arrow((x, y), (before, y))
            x = after
        pen.line([(x, y), (collector, y)], fill=GRAY)
        pen.text((weight_x, y - 4), weight, font=font, anchor="ls", fill=BLUE)
    pen.line([(collector, rows[0]), (collector, rows[-1])], fill=GRAY)
    before, _ = picture(last, middle, *ends[1])
    arrow((collector, middle), (before, middle))
    return page, places


def _pixels(image):
    """An image as an array (H, W) or (H, W, 3)."""
    if is_tensor(image):
        if is_cuda(image):
            raise ValueError(f"image: a tensor on {image.device}; allowed are those on the CPU: image.cpu() makes one")
        if image.ndim != 3:
            raise ValueError(f"image: a tensor of shape {tuple(image.shape)}; allowed is CHW")
        image = tensor_levels(image).permute(1, 2, 0).numpy()
    elif is_pillow(image):
        pillow_source(image)  # for what it refuses
        image = np.asarray(image)
    elif not isinstance(image, np.ndarray):
        raise TypeError(f"image: {type(image).__name__}; allowed are PIL images, NumPy arrays and torch tensors")
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image


def _caption(op, units):
    """The lines below a picture: the op, and its value if it has one."""
    name, *value = op
    return [name, *(NOTATIONS[units[name]].format(number) for number in value)]


def _shown_size(width, height):
    """How large an image is shown, and whether it is magnified."""
    longer = max(width, height)
    if longer < TINY:
        factor = 2 * TINY // longer
        return (factor * width, factor * height), True
    scale = min(1, LARGEST / longer)
    return (max(1, round(scale * width)), max(1, round(scale * height))), False
