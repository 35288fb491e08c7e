"""An LMDB as PyTorch's own data set: what it holds, and who may read it."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from support import commands

from ssd_data import InputError, LmdbReader, LmdbWriter, torch_dataset
from ssd_data.data.lmdb.records import encode_record

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def lmdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torch")
    sample, build = str(folder / "sample"), str(folder / "build")
    layout = ("--layout", "voc", "--train", "5", "--test", "4", "--size", "64", "-q")
    assert commands.run("sample", sample, *layout) == 0
    assert commands.run("build", f"{sample}/voc", "-o", build, "-q") == 0
    return folder / "build" / "voc_test_lmdb"


def written(folder: Path, boxes: list[list[float]], difficult: list[bool]) -> Path:
    writer = LmdbWriter(folder)
    pixels = np.arange(2 * 4 * 1, dtype=np.uint8).tobytes()
    table = np.array(boxes, np.float32).reshape(-1, 4)
    labels = np.arange(1, len(table) + 1, dtype=np.int32)
    value = encode_record(pixels, (1, 2, 4), labels, table, np.array(difficult), encoded=False)
    writer.put(b"00000000_a.png", value)
    writer.close()
    return folder


def test_pictures_are_those_of_the_records(lmdb: Path) -> None:
    with LmdbReader(lmdb) as reader:
        records = list(reader)
    pairs = torch_dataset(lmdb)
    assert len(pairs) == len(records) == 4
    for index, record in enumerate(records):
        image, target = pairs[index]
        assert image.dtype == torch.uint8
        np.testing.assert_array_equal(image.numpy()[::-1].transpose(1, 2, 0), record.decode())
        assert target["labels"].tolist() == record.labels.tolist()
        sides = [record.width, record.height] * 2
        np.testing.assert_allclose(target["boxes"].numpy(), record.boxes * sides, rtol=1e-6)
        assert target["image_id"].tolist() == [index]
    assert torch.equal(pairs[-1][0], pairs[3][0])
    assert pairs[-1][1]["image_id"].tolist() == [3]


def test_a_target_by_hand(tmp_path: Path) -> None:
    boxes = [[0.25, 0.0, 0.75, 0.5], [0.0, 0.5, 1.0, 1.0]]
    image, target = torch_dataset(written(tmp_path / "one_lmdb", boxes, [False, True]))[0]
    assert image.shape == (3, 2, 4)  # gray is shown in three equal channels
    assert image[0].flatten().tolist() == list(range(8))
    assert target["boxes"].tolist() == [[1, 0, 3, 1], [0, 1, 4, 2]]
    assert target["area"].tolist() == [2, 4]
    assert target["difficult"].tolist() == [False, True]
    assert target["iscrowd"].tolist() == [0, 1]


def test_a_picture_without_boxes(tmp_path: Path) -> None:
    _, target = torch_dataset(written(tmp_path / "none_lmdb", [], []))[0]
    assert target["boxes"].shape == (0, 4)
    assert target["labels"].shape == target["area"].shape == (0,)


@pytest.mark.parametrize("box", [[0.5, 0, 0.5, 1], [0.7, 0, 0.2, 1], [0, 0, float("nan"), 1]])
def test_a_box_that_is_none_is_refused(box: list[float], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="box without area") as found:
        torch_dataset(written(tmp_path / "odd_lmdb", [box], [False]))[0]
    assert found.value.where == f"{tmp_path}/odd_lmdb: 00000000_a.png"


def test_no_such_record(lmdb: Path) -> None:
    for index in (4, -5):
        with pytest.raises(IndexError):
            torch_dataset(lmdb)[index]


def test_transforms_see_both(lmdb: Path) -> None:
    pairs = torch_dataset(lmdb, lambda image, target: (image.float() / 255, len(target["labels"])))
    image, count = pairs[0]
    assert float(image.max()) <= 1
    assert count > 0


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_read_the_same(lmdb: Path, start: str) -> None:
    pairs = torch_dataset(lmdb)
    alone = [pairs[index] for index in range(len(pairs))]
    loader = torch.utils.data.DataLoader(
        pairs, batch_size=None, num_workers=2, multiprocessing_context=start
    )
    for (image, target), (own, truth) in zip(loader, alone, strict=True):
        assert torch.equal(image, own)
        assert all(torch.equal(target[name], truth[name]) for name in truth)


def test_a_copy_by_pickle_reads_on(lmdb: Path) -> None:
    pairs = torch_dataset(lmdb)
    assert torch.equal(pickle.loads(pickle.dumps(pairs))[1][0], pairs[1][0])
