"""halmix gives Composer's bytes, for plans recorded from Composer's own code, on every target."""

import collections
import json
import subprocess

import numpy as np
from PIL import Image

import cases
import model
import recorder

PLANS = 3000
PLANS_THROUGH_THE_COMMAND = 20


def test_library(seed, targets, server):
    compared = collections.Counter()
    for case in cases.composer(seed, PLANS):
        plan, expected = recorder.record(case.image, **case.arguments)
        for target in targets:
            got = server.request(case.image, target, plan=plan)
            differing = np.count_nonzero(got != expected)
            assert differing == 0, f"{target}: {differing} bytes differ for {case}: {json.dumps(plan)}"
            compared[target] += 1
    print(f"seed {seed}, images compared: {dict(compared)}")
    assert all(compared[target] == PLANS for target in targets)


def test_command(seed, targets, command, tmp_path):
    compared = collections.Counter()
    picture, plan_file, out = tmp_path / "in.png", tmp_path / "plan.json", tmp_path / "out.png"
    for case in cases.composer(seed + 1, PLANS_THROUGH_THE_COMMAND):
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
            compared[target] += 1
    print(f"seed {seed + 1}, images compared: {dict(compared)}")
    assert all(compared[target] == PLANS_THROUGH_THE_COMMAND for target in targets)
