"""The benchmark's Composer."""

import json
import pathlib
import subprocess
import sys

import contents

BENCH = pathlib.Path(__file__).parents[2] / "bench"
sys.path.append(str(BENCH))
import run  # noqa: E402

BLOCKS = {"blocks": 1, "block_us": 1}


def test_composer_can_be_timed(ops):
    """All of it: scripts/bench goes on without a peer that fails."""
    width, height = 40, 30
    image = contents.make("noise", width, height, 3).tobytes()
    chains = [run.ops_of(text) for text in run.chains(width, height)]
    assert {call["op"] for chain in chains for call in chain} == set(ops)
    policy = {"severity": 3, "width": 3, "depth": -1, "alpha": 1.0}
    jobs = [{"job": "chain", "ops": chain, **BLOCKS} for chain in chains]
    jobs += [{"job": "mix", **BLOCKS}, {"job": "augmix", "policy": policy, "images": 2, "warm_up": 1}]
    requests = b'{"job": "about"}\n'
    for job in jobs:
        requests += json.dumps(job | {"width": width, "height": height}).encode() + b"\n" + image
    answers = subprocess.check_output([sys.executable, BENCH / "peer.py", "composer"], input=requests)
    about, *replies = map(json.loads, answers.splitlines())
    assert about["jobs"] == ["chain", "mix", "augmix"]
    assert len(replies) == len(jobs)
    assert all(min(reply["us"]) > 0 for reply in replies)
