"""Decodes pictures of other projects' tests and compares what comes out with manifest.tsv; docs/decoding.md has the
table that it prints.

The manifest has a line for each file: the beginning of its SHA-256, what becomes of it, what becomes of it where
unsupported and damaged pictures are accepted, and for those that are read where they come from. What becomes of it is "-", it is refused, or the
beginning of the SHA-256 of its size and its pixels, upright, as RGB. A file is known by its content, so files may lie
anywhere.
"""

import argparse
import collections
import hashlib
import io
import multiprocessing
import pathlib
import sys
import warnings

import numpy as np
import tqdm
from PIL import Image, ImageOps, features

import halmix

MANIFEST = pathlib.Path(__file__).parent / "manifest.tsv"
SUFFIXES = (".jpg", ".jpeg", ".png")
STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
REFUSED = "-"
DIGITS = 12  # of a hash: two of a million files share one with a chance of 0.2 %
MOST_PIXELS = 60_000_000  # larger ones take the memory of a machine
SECONDS = 60  # for one file, which then hangs
ACCEPT = {"unsupported": "convert", "damaged": "accept"}


def short(data):
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def name_of(pixels):
    return short(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes())


def decoded(data, **accept):
    """Pixels, or the problem."""
    how = {"seed": 0, "views": ("clean",), "orientation": "upright", "max_pixels": MOST_PIXELS, **accept}
    try:
        return halmix.decode_augment([data], **how)[0]
    except ValueError as error:
        assert "\n" not in str(error), error
        return str(error)


def windows_differ(data, pixels):
    """Whether a crop is not what it is of the whole picture."""
    for index in range(5):
        how = {"seed": 1, "indices": [index], "views": ("clean",), "crop": 24}
        crop = halmix.decode_augment([data], orientation="upright", max_pixels=MOST_PIXELS, **ACCEPT, **how)
        if not np.array_equal(crop, halmix.augmix_batch([pixels], **how)):
            return True
    return False


def by_pillow(data):
    warnings.simplefilter("ignore")
    try:
        image = Image.open(io.BytesIO(data))
        if image.size[0] * image.size[1] > MOST_PIXELS:
            return None
        image.load()
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception:  # Pillow ends in many ways
        return None


def examine(data):
    """What becomes of a file, twice, and what there is to tell of it: names of the table's columns."""
    usual, accepting = (decoded(data, **accept) for accept in ({}, ACCEPT))
    outcomes = [REFUSED if isinstance(one, str) else name_of(one) for one in (usual, accepting)]
    told = []
    if outcomes[1] != REFUSED and windows_differ(data, accepting):
        told.append("windows differ")
    pillows = by_pillow(data)
    for label, outcome in zip(("", ", accepting"), outcomes):
        if outcome == REFUSED:
            told.append(("Pillow opens" if pillows is not None else "both refuse") + label)
        else:
            same = pillows is not None and outcome == name_of(pillows)
            told.append("decoded" + label)
            told.append(("Pillow's bytes" if same else "Pillow refuses" if pillows is None else "other bytes") + label)
    return outcomes, told


def serve(connection):
    """A process of its own, for files that might end it."""
    while True:
        connection.send(examine(connection.recv()))


class Server:
    def __init__(self):
        self.here, there = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(there,), daemon=True)
        self.process.start()
        there.close()

    def ask(self, data):
        """None if it hangs or crashes; another is to be asked then."""
        self.here.send(data)
        try:
            if self.here.poll(SECONDS):
                return self.here.recv()
        except EOFError:
            pass
        self.process.kill()
        return None


def pictures(folder):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (path.suffix.lower() in SUFFIXES or path.open("rb").read(8).startswith(STARTS)):
            yield path


def table(counts):
    columns = [
        "files", "both refuse", "Pillow opens", "decoded", "Pillow's bytes", "other bytes", "Pillow refuses",
        "decoded, accepting", "Pillow's bytes, accepting", "windows differ", "crashed",
    ]  # fmt: skip
    counts = {**counts, "all": sum(counts.values(), collections.Counter())}
    yield "| folder | " + " | ".join(columns) + " |"
    yield "| --- |" + " ---: |" * len(columns)
    for folder, count in counts.items():
        yield f"| {folder} | " + " | ".join(str(count[column]) for column in columns) + " |"


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/corpora",
        description="Decodes the JPEGs and PNGs below folders, each folder a row of the table that it prints. Compares them "
        "with Pillow's, and what becomes of them with the manifest. Exit code 1 if that has changed.",
    )
    parser.add_argument("folders", nargs="+", type=pathlib.Path, metavar="FOLDER", help="where files lie")
    parser.add_argument("--write", action="store_true", help="write the manifest: these files are what it knows then")
    parser.add_argument("--manifest", type=pathlib.Path, default=MANIFEST, metavar="FILE", help="another one")
    options = parser.parse_args()
    known = {}
    if not options.write:
        for line in options.manifest.read_text(encoding="utf-8").splitlines():
            content, usual, accepting, _ = line.split("\t")
            known[content] = [usual, accepting]

    server, counts, lines, changed, unknown = Server(), {}, [], [], 0
    paths = [(folder, path) for folder in options.folders for path in pictures(folder)]
    for folder, path in tqdm.tqdm(paths, unit=" files", disable=None):
        data = path.read_bytes()
        count = counts.setdefault(folder.name, collections.Counter())
        count["files"] += 1
        found = server.ask(data)
        if found is None:
            count["crashed"] += 1
            changed.append(f"{path}: crashes or hangs")
            server = Server()
            continue
        outcomes, told = found
        count.update(told)
        content = short(data)
        where = f"{folder.name}/{path.relative_to(folder)}".encode(errors="replace").decode()
        lines.append("\t".join([content, *outcomes, where if outcomes[1] != REFUSED else ""]))
        if content not in known:
            unknown += 1
        elif known[content] != outcomes:
            changed.append(f"{path}: {known[content]} before, now {outcomes}")
    for line in table(counts):
        print(line)
    print(f"\nhalmix {halmix.__version__}, Pillow {Image.__version__} with libjpeg-turbo {features.version('libjpeg_turbo')}.")
    if options.write:
        options.manifest.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    elif unknown:
        print(f"{unknown} files are not in the manifest.")
    server.process.kill()
    for line in changed:
        print(line, file=sys.stderr)
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
