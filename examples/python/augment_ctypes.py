"""Augments an image as AugMix does, from Python and with nothing but its standard library: a PPM file (P6) in, one out.

    python3 augment_ctypes.py photo.ppm augmented.ppm 7

It opens libhalmix.so.1 where the system finds it; LD_LIBRARY_PATH=FOLDER says where else. Other languages that can call C
do the same: a number for each constant, a struct for each struct of halmix/c.h.
"""

import ctypes
import pathlib
import re
import sys
from ctypes import POINTER, byref, c_char_p, c_double, c_int32, c_size_t, c_ssize_t, c_uint8, c_uint32, c_uint64, c_void_p


class Image(ctypes.Structure):
    _fields_ = [("data", c_void_p)]
    _fields_ += [(name, c_int32) for name in ("width", "height", "channels", "layout", "memory", "reserved")]
    _fields_ += [(name, c_ssize_t) for name in ("stride", "plane")]


class PolicyOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("severity", c_double), ("alpha", c_double), ("ops", c_char_p), ("width", c_int32)]
    _fields_ += [("depth", c_int32), ("fill", c_uint8 * 3), ("crop_filter", c_uint8), ("crop_order", c_uint8)]
    _fields_ += [("reserved", c_uint8 * 3), ("crop_width", c_int32), ("crop_height", c_int32)]
    _fields_ += [(f"crop_{name}", c_double) for name in ("min_scale", "max_scale", "min_ratio", "max_ratio", "mirror")]


halmix = ctypes.CDLL("libhalmix.so.1")


def declare(name, *arguments):
    """A function of the library that returns a status, as one that raises what it reports."""

    def check(status, _function, _arguments):
        if status != 0:
            raise RuntimeError(halmix.halmix_message(None).decode())

    function = halmix[name]
    function.argtypes = arguments
    function.errcheck = check
    return function


halmix.halmix_message.restype = c_char_p
halmix.halmix_policy_options_init.argtypes = [POINTER(PolicyOptions), c_size_t]
engine_create = declare("halmix_engine_create", c_void_p, c_char_p, POINTER(c_void_p))
policy_create = declare("halmix_policy_create", c_void_p, POINTER(PolicyOptions), POINTER(c_void_p))
plan_create = declare("halmix_plan_create", c_void_p, POINTER(c_void_p))
key = (c_uint64, c_uint32, c_uint64, c_uint32)  # seed, epoch, index, view
sample = declare("halmix_sample", c_void_p, c_void_p, *key, c_int32, c_int32, c_void_p)
run = declare("halmix_run", c_void_p, c_void_p, c_void_p, POINTER(Image), POINTER(Image), c_void_p)


def augment(pixels, width, height, seed):
    """Rows of red, green and blue in a bytearray, augmented in place."""
    engine, policy, plan = c_void_p(), c_void_p(), c_void_p()
    options = PolicyOptions()
    halmix.halmix_policy_options_init(options, ctypes.sizeof(options))
    options.severity = 5
    memory = (c_uint8 * len(pixels)).from_buffer(pixels)
    image = Image(data=ctypes.addressof(memory), width=width, height=height, channels=3)
    try:
        engine_create(None, b"auto", byref(engine))
        policy_create(None, options, byref(policy))
        plan_create(None, byref(plan))
        sample(None, policy, seed, 0, 0, 0, width, height, plan)
        run(None, engine, plan, image, image, None)
    finally:
        halmix.halmix_plan_free(plan)
        halmix.halmix_policy_free(policy)
        halmix.halmix_engine_free(engine)


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: augment_ctypes.py IN.ppm OUT.ppm SEED")
    source, result, seed = sys.argv[1:]
    content = pathlib.Path(source).read_bytes()
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", content)
    if not header:
        sys.exit(f"augment_ctypes.py: {source} is not a PPM file of 8-bit RGB")
    width, height = map(int, header.groups())
    pixels = bytearray(content[header.end() :])
    if len(pixels) != 3 * width * height:
        sys.exit(f"augment_ctypes.py: {source} is cut")
    try:
        augment(pixels, width, height, int(seed))
    except RuntimeError as error:
        sys.exit(f"augment_ctypes.py: {error}")
    pathlib.Path(result).write_bytes(b"P6 %d %d 255\n" % (width, height) + pixels)


if __name__ == "__main__":
    main()
