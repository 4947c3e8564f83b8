"""halmix gives Pillow's bytes for random chains of ops, on every target."""

import collections

import numpy as np

import cases
import model

CHAINS = 5000


def test_chains(seed, targets, server):
    compared = collections.Counter()
    ops_seen = collections.Counter()
    for case in cases.chains(seed, CHAINS):
        expected = model.apply(case.image, **case.arguments)
        ops_seen.update(call["op"] for call in case.arguments["ops"])
        for target in targets:
            got = server.request(case.image, target, **case.arguments)
            differing = np.count_nonzero(got != expected)
            assert differing == 0, f"{target}: {differing} bytes differ for {case}"
            compared[target] += 1
    print(f"seed {seed}, images compared: {dict(compared)}, ops: {dict(ops_seen)}")
    assert all(compared[target] == CHAINS for target in targets)
    assert set(ops_seen) == set(model.OPS)
