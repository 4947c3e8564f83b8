"""Compares what halmix computes with what is expected, for many cases on all targets and in as many processes as there
are cores to run on."""

import functools
import multiprocessing
import os

import numpy as np

from chain_server import ChainServer


def compared(expected, case, count, targets):
    """Of the cases case(0) to case(count - 1), in any order, what was requested of halmix, once its answers have been
    found equal on all targets. expected(case) is a pair: the request, as chain_server.py has it, and the right result."""
    with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0)), _start_server) as pool:
        yield from pool.imap_unordered(functools.partial(_compare, expected, case, targets), range(count), chunksize=50)


def _start_server():
    global _server
    _server = ChainServer(os.environ["HALMIX_CHAIN_SERVER"])


def _compare(expected, case, targets, number):
    one = case(number)
    request, result = expected(one)
    for target in targets:
        got = _server.request(one.image, target, **request)
        differing = np.count_nonzero(got != result)
        assert differing == 0, f"{target}: {differing} bytes differ for {one}: {request}"
    return request
