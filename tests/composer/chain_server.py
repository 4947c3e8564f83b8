"""The client of ../chain_server.cpp: many images through one process, which ends with this one."""

import json
import subprocess

import numpy as np


class ChainServer:
    def __init__(self, path):
        self._process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def request(self, image, target, **what):
        """`what` is plan=..., or ops=... and fill=...; returns an image of the same shape."""
        height, width, channels = image.shape
        header = {"width": width, "height": height, "channels": channels, "target": target, **what}
        self._process.stdin.write(json.dumps(header).encode() + b"\n" + image.tobytes())
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return np.frombuffer(self._process.stdout.read(reply["bytes"]), np.uint8).reshape(image.shape)
