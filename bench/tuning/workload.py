"""What is tuned for: the calls of pipelines that AugMix makes, on images of some sizes and contents, and how much of its
time each of them takes."""

import itertools
from typing import NamedTuple

import numpy as np
import run
from PIL import Image

IMAGES = 60  # whose plans say what is called, for each size and severity
CALLS_OF_ONE_OP = 3  # of the values that are drawn for it, at as many quantiles
CALLS_OF_MORE = 4  # of what a pipeline of several ops is called with
BLOCKS = {"blocks": 3, "block_us": 400}


class Case(NamedTuple):
    """A call of a pipeline on an image."""

    pipeline: str
    size: str
    content: str
    ops: tuple  # of (op, value); none of the mix
    weight: float  # of its time, by which what is gained counts

    @property
    def name(self):
        ops = ",".join(f"{op}={value:.4g}" for op, value in self.ops)
        return f"{ops or self.pipeline} on {self.content} at {self.size}"

    @property
    def ops_of_request(self):
        return {"ops": [{"op": op, "value": value} for op, value in self.ops]} if self.ops else {}


class Images:
    """The contents, in any size, as RGB."""

    def __init__(self, photos):
        """`photos`: a picture, which others are made from, or a folder of one's own."""
        if photos.is_dir():
            files = [file for file in sorted(photos.iterdir()) if file.suffix.lower() in (".jpg", ".jpeg", ".png")][:4]
            if not files:
                raise ValueError(f"--images: {photos} has no .jpg, .jpeg or .png")
            self._sources = {file.name: Image.open(file).convert("RGB") for file in files}
            self.weights = dict.fromkeys(self._sources, 1 / len(files))
        elif not photos.is_file():
            raise ValueError(f"--images: there is no {photos}")
        else:
            self._sources = {"photo": Image.open(photos).convert("RGB")}
            self.weights = {"photo": 0.7, "noise": 0.1, "flat": 0.1, "posterised": 0.1}
        self._made = {}

    def request(self, size, content):
        """What a request has of an image."""
        width, height = map(int, size.split("x"))
        if (size, content) not in self._made:
            self._made[size, content] = self._make(width, height, content)
        return {"pixels": self._made[size, content], "width": width, "height": height}

    def _make(self, width, height, content):
        if content == "noise":
            return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8).tobytes()
        if content == "flat":
            return np.full((height, width, 3), (90, 120, 30), np.uint8).tobytes()
        source = self._sources["photo" if content == "posterised" else content]
        image = source.resize((width, height), Image.Resampling.LANCZOS)
        return (np.asarray(image) & 0xC0).tobytes() if content == "posterised" else image.tobytes()


def draw(worker, core, size, severities):
    """pipeline -> the ops that AugMix calls it with, once for each call: none of the one that mixes each image."""
    width, height = map(int, size.split("x"))
    calls = {}
    for severity in severities:
        policy = {**run.POLICY, "severity": severity}
        reply = worker.request(core, "draw", policy=policy, images=IMAGES, width=width, height=height)
        for call in reply["calls"]:
            ops = tuple((op["op"], op["value"]) for op in call["ops"])
            calls.setdefault(call["pipeline"], []).append(ops)
        calls.setdefault(reply["mix"], []).extend([()] * IMAGES)
    return calls


def representatives(calls):
    """Some of a pipeline's calls, each with how many of them it stands for."""
    by_op = {}
    for ops in calls:
        by_op.setdefault(ops[0][0] if len(ops) == 1 else "", []).append(ops)
    chosen = []
    for op, called in by_op.items():
        if op:
            called.sort()
        count = min(CALLS_OF_ONE_OP if op else CALLS_OF_MORE, len(set(called)))
        some = dict.fromkeys(called[len(called) * (2 * i + 1) // (2 * count)] for i in range(count))
        chosen += [(ops, len(called) / len(some)) for ops in some]
    return chosen


def cases(worker, core, images, sizes, severities):
    """All cases; the weights of each size are 1 together, so that none counts for being large."""
    found = []
    for size in sizes:
        calls = draw(worker, core, size, severities)
        called = [(pipeline, ops, n) for pipeline in calls for ops, n in representatives(calls[pipeline])]
        at_size = []
        for (pipeline, ops, n), content in itertools.product(called, images.weights):
            case = Case(pipeline, size, content, ops, n * images.weights[content])
            at_size.append(case._replace(weight=case.weight * time(worker, core, images, case)))
        total = sum(case.weight for case in at_size)
        found += [case._replace(weight=case.weight / total) for case in at_size]
    return found


def time(worker, core, images, case):
    """The microseconds of one case, the median of its blocks."""
    members = {**images.request(case.size, case.content), **case.ops_of_request, **BLOCKS}
    return np.median(worker.request(core, "chain" if case.ops else "mix", **members)["us"])


def shares(all_cases):
    """pipeline -> how much of the workload's time it takes."""
    sizes = len({case.size for case in all_cases})
    found = {}
    for case in all_cases:
        found[case.pipeline] = found.get(case.pipeline, 0) + case.weight / sizes
    return found
