"""What fuzz targets begin with: small inputs of every kind. seeds.py FOLDER writes them to FOLDER/TARGET."""

import io
import json
import pathlib
import struct
import sys

from PIL import Image, PngImagePlugin

OPS = ["autocontrast", "equalize", "posterize=3", "rotate=-12", "solarize=128", "shear_x=0.3", "shear_y=-0.3",
       "translate_x=9", "translate_y=-9", "color=1.3", "contrast=+0.5", "brightness=1e0", "sharpness=1.9"]  # fmt: skip


def plans():
    calls = [
        {"op": name, **({"value": float(value)} if value else {})}
        for name, _, value in (op.partition("=") for op in OPS)
    ]
    plan = {"version": 1, "width": 224, "height": 160, "mix": 0.42, "chains": [{"weight": 0.5, "ops": calls}]}
    crop = {"source_width": 500, "source_height": 375, "left": 12, "top": 30, "width": 300, "height": 280}
    options = {"filter": "bicubic", "order": "horizontal_first", "mirror": True}
    yield plan
    yield {**plan, "fill": [1, 2, 3], "chains": [{"weight": 1 / 16, "ops": []}] * 16}
    yield {**plan, "no\nmember": 0}
    yield {**plan, "version": 2, "resized_crop": {**crop, **options}}


def pictures(**formats):
    """Files of a small picture, in each mode that a format has, with the options of each kind."""
    photo = Image.radial_gradient("L").resize((23, 17))
    coloured = Image.merge("RGB", (photo, photo.transpose(Image.Transpose.ROTATE_180), Image.new("L", photo.size, 90)))
    for format, (modes, kinds) in formats.items():
        for mode in modes:
            for options in kinds:
                file = io.BytesIO()
                coloured.convert(mode).save(file, format, **options)
                yield file.getvalue()


def exif(orientation, order, type):
    """The shortest EXIF data there are, of either byte order and any type of number."""
    mark = b"II" if order == "<" else b"MM"
    number = struct.pack(order + {3: "Hxx", 4: "I", 5: "I"}[type], orientation if type != 5 else 26)
    entry = struct.pack(order + "HHI", 0x0112, type, 1) + number
    return mark + struct.pack(order + "HIH", 42, 8, 1) + entry + bytes(4) + struct.pack(order + "II", orientation, 1)


def seeds():
    """Targets and their inputs. Those that are missing draw all they need from any bytes."""
    yield from (("plan", json.dumps(plan).encode()) for plan in plans())
    yield from (
        ("ops", text.encode()) for text in [",".join(OPS), "safe, rotate:2", "all,color_original:0.5", "original"]
    )
    tagged = {"exif": exif(6, ">", 3)}
    jpegs = [{}, {"progressive": True}, {"subsampling": 2, "quality": 20}, {"restart_marker_blocks": 2}, tagged]
    yield from (("jpeg", file) for file in pictures(JPEG=("L RGB CMYK".split(), jpegs)))
    text = PngImagePlugin.PngInfo()
    text.add_text("XML:com.adobe.xmp", xmp(8), zip=True)
    pngs = [{}, {"bits": 4}, {"pnginfo": text}, tagged]
    yield from (("png", file) for file in pictures(PNG=("1 L P RGB".split(), pngs)))
    for order in "<>":
        yield from (("orientation", exif(6, order, type)) for type in (3, 4, 5))
    yield "orientation", xmp(8).encode()


def xmp(orientation):
    return f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/><tiff:Orientation>3</tiff:Orientation></x:xmpmeta>'


for number, (target, content) in enumerate(seeds()):
    folder = pathlib.Path(sys.argv[1], target)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{number}").write_bytes(content)
