import json
import os
import re
import subprocess

import PIL
import pytest

import model
import recorder

SEED = int(os.environ.get("HALMIX_TEST_SEED", 1))
SCALE = int(os.environ.get("HALMIX_TEST_SCALE", 1))


def pytest_report_header():
    return (
        f"halmix: seed {SEED} (HALMIX_TEST_SEED sets it), {SCALE} times the cases (HALMIX_TEST_SCALE), "
        f"Pillow {PIL.__version__} {model.pillow_wheel()}, Composer {recorder.VERSION}"
    )


@pytest.fixture(scope="session")
def seed():
    return SEED


@pytest.fixture(scope="session")
def scale():
    return SCALE


@pytest.fixture(scope="session")
def command():
    """The command `halmix`."""
    return os.environ["HALMIX_COMMAND"]


@pytest.fixture(scope="session")
def targets(command):
    """Names of the targets this machine has."""
    listed = json.loads(subprocess.check_output([command, "targets", "--json"]))["targets"]
    names = [row["name"] for row in listed if row["available"]]
    assert names, listed
    return names


@pytest.fixture(scope="session")
def ops(command):
    """Names of all ops."""
    text = subprocess.check_output([command, "apply", "--help"], text=True)
    rows = re.search(r"^Ops:\n((?:  .*\n)+)", text, re.MULTILINE).group(1)
    return re.findall(r"^  (\w+)", rows, re.MULTILINE)
