"""Answers the requests of run.py for an implementation in peers/, as halmix_bench.cpp does for halmix and describes them.

peer.py MODULE
"""

import functools
import importlib
import json
import os
import resource
import sys
import time

import numpy as np


def microseconds(call, calls):
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls * 1e6


def time_blocks(request, call):
    microseconds(call, 3)
    calls = max(1, round(request["block_us"] / microseconds(call, 3)))
    return [microseconds(call, calls) for _ in range(request["blocks"])]


def time_chain(peer, request, image):
    calls = [(peer.OPS[call["op"]], [call["value"]] if "value" in call else []) for call in request["ops"]]

    def chain():
        result = image
        for op, values in calls:
            result = op(result, *values)

    return {"us": time_blocks(request, chain)}


def time_mix(peer, request, image):
    return {"us": time_blocks(request, peer.mix(image))}


def page_faults():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt + usage.ru_majflt


def time_augmix(peer, request, image):
    augmix = peer.augmix(image, request["policy"])
    peer.seed(0)
    for _ in range(request["warm_up"]):
        augmix()
    peer.seed(1)
    before = page_faults()
    times = [microseconds(augmix, 1) for _ in range(request["images"])]
    return {"us": times, "faults": (page_faults() - before) / len(times)}


def main():
    sys.path.append(os.path.join(os.path.dirname(__file__), "..", "tests", "composer"))
    # What libraries print goes to stderr.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = importlib.import_module(f"peers.{sys.argv[1]}")
    provided = {"chain": ("OPS", time_chain), "mix": ("mix", time_mix), "augmix": ("augmix", time_augmix)}
    jobs = {job: functools.partial(time, peer) for job, (needs, time) in provided.items() if hasattr(peer, needs)}
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if request["job"] == "about":
            reply = {"jobs": list(jobs), "versions": peer.VERSIONS}
        else:
            shape = request["height"], request["width"], 3
            pixels = np.frombuffer(sys.stdin.buffer.read(np.prod(shape)), np.uint8).reshape(shape).copy()
            reply = jobs[request["job"]](request, peer.from_array(pixels))
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
