"""A grid of results: a column for each severity, a row for each draw. The README's is docs/python-grid.png.

    python3 examples/python/grid.py data/chelsea.jpg docs/python-grid.png

Needs halmix installed or in PYTHONPATH, and Pillow 10.1.
"""

import argparse

from PIL import Image, ImageDraw, ImageFont

import halmix

SEVERITIES = (1, 3, 5, 10)
ROWS = 2
LARGEST = 180  # pixels a side of a picture
GAP, LABEL = 8, 22


def grid(photo, seed):
    """The results for a photo, with the severities above."""
    photo.thumbnail((LARGEST, LARGEST))
    width, height = photo.size
    page = Image.new("RGB", (len(SEVERITIES) * (width + GAP) - GAP, LABEL + ROWS * (height + GAP) - GAP), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for column, severity in enumerate(SEVERITIES):
        x = column * (width + GAP)
        pen.text((x + width / 2, 0), f"severity {severity}", font=font, anchor="ma", fill="black")
        transform = halmix.AugMix(severity, seed=seed)
        for row in range(ROWS):
            page.paste(transform(photo, index=row), (x, LABEL + row * (height + GAP)))
    return page


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo")
    parser.add_argument("output")
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    with Image.open(arguments.photo) as photo:
        grid(photo.convert("RGB"), arguments.seed).save(arguments.output, optimize=True)


if __name__ == "__main__":
    main()
