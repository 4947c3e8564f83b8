import json
import os
import subprocess

import PIL
import pytest

import model
import recorder
from chain_server import ChainServer

SEED = int(os.environ.get("HALMIX_TEST_SEED", 1))


def pytest_report_header():
    return (
        f"halmix: seed {SEED} (HALMIX_TEST_SEED sets it), "
        f"Pillow {PIL.__version__} {model.pillow_wheel()}, Composer {recorder.VERSION}"
    )


@pytest.fixture(scope="session")
def seed():
    return SEED


@pytest.fixture(scope="session")
def command():
    """The command `halmix`."""
    return os.environ["HALMIX_COMMAND"]


@pytest.fixture(scope="session")
def targets(command):
    """Names of the CPU targets this machine has."""
    listed = json.loads(subprocess.check_output([command, "targets", "--json"]))["targets"]
    names = [row["name"] for row in listed if row["available"] and row["name"].startswith("cpu-")]
    assert names, listed
    return names


@pytest.fixture(scope="session")
def server():
    with ChainServer(os.environ["HALMIX_CHAIN_SERVER"]) as running:
        yield running
