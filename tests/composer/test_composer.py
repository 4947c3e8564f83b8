"""halmix gives Composer's bytes, for plans recorded from Composer's own code, on every target."""

import collections
import functools
import json
import subprocess

import numpy as np
from PIL import Image

import cases
import model
import recorder
from comparison import compared

PLANS = 3000
PLANS_THROUGH_THE_COMMAND = 20


def by_composer(case):
    plan, result = recorder.record(case.image, **case.arguments)
    return {"plan": plan}, result


def test_library(seed, scale, targets):
    images = sum(1 for _ in compared(by_composer, functools.partial(cases.composer, seed), PLANS * scale, targets))
    print(f"seed {seed}: {images} images compared on each of {', '.join(targets)}")
    assert images == PLANS * scale


def test_command(seed, targets, command, tmp_path):
    images = collections.Counter()
    picture, plan_file, out = tmp_path / "in.png", tmp_path / "plan.json", tmp_path / "out.png"
    for number in range(PLANS_THROUGH_THE_COMMAND):
        case = cases.composer(seed + 1, number)
        plan, expected = recorder.record(case.image, **case.arguments)
        model.to_pillow(case.image).save(picture)
        plan_file.write_text(json.dumps(plan))
        for target in targets:
            subprocess.check_call(
                [command, "replay", picture, "-o", out, "--plan", plan_file, "--target", target],
                stdout=subprocess.DEVNULL,
            )
            with Image.open(out) as image:
                got = model.to_array(image)
            out.unlink()
            assert got.shape == expected.shape
            differing = np.count_nonzero(got != expected)
            assert differing == 0, f"{target}: {differing} bytes differ for {case}: {json.dumps(plan)}"
            images[target] += 1
    print(f"seed {seed + 1}, images compared: {dict(images)}")
    assert all(images[target] == PLANS_THROUGH_THE_COMMAND for target in targets)
