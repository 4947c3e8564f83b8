"""Many processes give the bytes of one: Ray's on two nodes, torch's ranks and their workers; also if some are killed."""

import hashlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

import numpy as np
import pytest
from conftest import make_image

import halmix

Image = pytest.importorskip("PIL.Image", reason="Pillow makes the files")
if not hasattr(halmix._core, "decode_batch"):
    pytest.skip("this build has no libjpeg-turbo or libpng", allow_module_level=True)
try:
    import torch
except ImportError:
    torch = None
else:
    import halmix.torch

COUNT = 24
SEED, CROP = 3, 32
EPOCHS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """JPEG files, named by their numbers."""
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(7)
    for i in range(COUNT):
        Image.fromarray(make_image(rng, 90 + 3 * i, 120 - 2 * i)).save(folder / f"{i:06d}.jpg")
    return folder


def only_once(path, text=""):
    """Whether this call, of all that processes make, is the first."""
    try:
        with open(path, "x") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


# Ray.


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of Ray, with room for one task each."""
    ray = pytest.importorskip("ray", reason="the nodes are Ray's")
    pytest.importorskip("ray.data", reason="what runs on the nodes is Ray Data")
    from ray.cluster_utils import Cluster

    # A folder with a short name, as sockets lie in it.
    with tempfile.TemporaryDirectory(prefix="halmix", ignore_cleanup_errors=True) as temporary:
        monkeypatch.setenv("RAY_TMPDIR", temporary)
        node = {"num_cpus": 1, "object_store_memory": 100 << 20}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            cluster.add_node(**node)
            ray.init(address=cluster.address, log_to_driver=False)
            # Workers do not find this file: what they need of it goes along.
            ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
            ray.data.DataContext.get_current().enable_progress_bars = False
            yield ray
        finally:
            ray.shutdown()
            cluster.shutdown()


def test_ray_on_two_nodes(cluster, folder, tmp_path):
    """Each node's first batch waits for the other's; the first of those that follow kills its worker."""
    ray = cluster

    def augment(batch, epoch):
        node = ray.get_runtime_context().get_node_id()
        batch["index"] = [int(pathlib.Path(path).stem) for path in batch["path"]]
        if only_once(tmp_path / f"node {node}"):
            end = time.monotonic() + 60
            while len(list(tmp_path.glob("node *"))) < 2:
                assert time.monotonic() < end, "the other node has got no batch"
                time.sleep(0.05)
        elif only_once(tmp_path / "killed", json.dumps([os.getpid(), batch["index"]])):
            os.kill(os.getpid(), signal.SIGKILL)
        batch["image"] = halmix.decode_augment(
            batch.pop("bytes"), seed=SEED, epoch=epoch, indices=batch["index"], crop=CROP
        )
        return {**batch, "node": [node] * len(batch["index"]), "process": [os.getpid()] * len(batch["index"])}

    photos = ray.data.read_binary_files(str(folder), include_paths=True, override_num_blocks=8)
    rows = photos.map_batches(augment, fn_kwargs={"epoch": 2}, batch_size=None).take_all()
    want = halmix.decode_augment(sorted(folder.iterdir()), seed=SEED, epoch=2, crop=CROP)
    assert sorted(row["index"] for row in rows) == list(range(COUNT))
    for row in rows:
        assert np.array_equal(row["image"], want[row["index"]])
    assert len({row["node"] for row in rows}) == 2
    process, indices = json.loads((tmp_path / "killed").read_text())
    assert indices and all(row["process"] != process for row in rows if row["index"] in indices)


# Ranks of torch.


class Paths:
    """Paths of files and their numbers; `fatal` kills, once, the worker that comes to it."""

    def __init__(self, folder, fatal, mark):
        self.folder, self.fatal, self.mark = folder, fatal, mark

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        if index == self.fatal and torch.utils.data.get_worker_info() and only_once(self.mark):
            os.kill(os.getpid(), signal.SIGKILL)
        return self.folder / f"{index:06d}.jpg", index


def digest(pixels):
    return hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()


def run_rank(rank, workers, fatal, folder, meeting, seen):
    """All epochs in one of the ranks, which have these numbers of workers. The first writes what all have seen."""
    torch.multiprocessing.set_start_method("fork", force=True)  # of workers: those that are spawned import torch
    torch.distributed.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=len(workers))
    dataset = halmix.torch.AugMixDataset(Paths(folder, fatal, seen.with_name("killed")), seed=SEED, crop=CROP)
    sampler = torch.utils.data.DistributedSampler(dataset)
    loader = halmix.torch.DataLoader(dataset, 3, sampler=sampler, num_workers=workers[rank])
    mine, deaths = [], 0
    for epoch in range(EPOCHS):
        loader.set_epoch(epoch)
        state, goes_on = loader.state_dict(), True
        while goes_on:
            try:
                for pixels, indices in loader:
                    mine += [(epoch, int(index), digest(one)) for one, index in zip(pixels, indices)]
                    state = loader.state_dict()
                goes_on = False
            except Exception:  # anywhere in the loop: where this thread is when torch hears of a worker's death
                deaths += 1
                if fatal is None or deaths > 2:
                    raise
                loader.load_state_dict(state)
    everything = [None] * len(workers)
    torch.distributed.all_gather_object(everything, (mine, deaths))
    if rank == 0:
        seen.write_text(json.dumps(everything))
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(torch is None, reason="the ranks are torch's")
@pytest.mark.parametrize("workers, fatal", [((0, 2), None), ((3, 1), 17)])
def test_ranks_of_torch(folder, tmp_path, workers, fatal):
    seen = tmp_path / "seen"
    torch.multiprocessing.spawn(run_rank, (workers, fatal, folder, tmp_path / "meeting", seen), nprocs=len(workers))
    everything = json.loads(seen.read_text())
    want = {}
    for epoch in range(EPOCHS):
        pixels = halmix.decode_augment(sorted(folder.iterdir()), seed=SEED, epoch=epoch, crop=CROP, dtype="float32")
        want |= {(epoch, index): digest(one) for index, one in enumerate(pixels)}
    assert len(set(want.values())) == len(want)
    assert {(epoch, index) for mine, _ in everything for epoch, index, _ in mine} == want.keys()
    for mine, _ in everything:
        assert len({(epoch, index) for epoch, index, _ in mine}) == len(want) / len(workers)
        assert all(got == want[epoch, index] for epoch, index, got in mine)
    assert any(deaths for _, deaths in everything) == (fatal is not None)
