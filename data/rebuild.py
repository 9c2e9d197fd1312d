"""Rebuild the pictures of data/ from their three sources, whose checksums are in sources.toml:

    python data/rebuild.py FASHION_PACKAGE.deb SCIKIT_IMAGE.whl SCIKIT_LEARN.whl [--into FOLDER]

Needs NumPy and Pillow, no network and no dpkg. Files are written whole, after all were made.
"""

import argparse
import gzip
import hashlib
import io
import pathlib
import tarfile
import tomllib
import zipfile

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
PER_CLASS = {"train": ("train", 400), "test": ("t10k", 100)}
PACKAGES = "fashion", "photographs", "digits"  # as sources.toml names them
SIDE = 256
# name: (file in skimage/data, left and top corner and side of the square that is cut out)
PHOTOGRAPHS = {
    "camera": ("camera.png", (0, 0, 512)),
    "coins": ("coins.png", (0, 0, 303)),
    "astronaut": ("astronaut.png", (0, 0, 512)),
    "cat": ("chelsea.png", (90, 0, 300)),
    "coffee": ("coffee.png", (140, 0, 400)),
    "rocket": ("rocket.jpg", (170, 0, 427)),
}


def source(path, key):
    """The bytes of one of the packages of sources.toml, its checksum verified."""
    content = path.read_bytes()
    needed = tomllib.loads((HERE / "sources.toml").read_text("utf-8"))["source"][key]["sha256"]
    found = hashlib.sha256(content).hexdigest()
    if found != needed:
        raise SystemExit(f"{path.name} has sha256 {found}; needed: {needed}")
    return content


def members_of_deb(data):
    """Files of a Debian package: an `ar` archive that holds data.tar.*, name -> bytes."""
    position = 8
    while position < len(data):
        name = data[position : position + 16].decode().strip().rstrip("/")
        size = int(data[position + 48 : position + 58])
        content = data[position + 60 : position + 60 + size]
        if name.startswith("data.tar"):
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                files = [member for member in archive if member.isfile()]
                return {
                    file.name.removeprefix("./"): archive.extractfile(file).read() for file in files
                }
        position += 60 + size + size % 2
    raise SystemExit("the package holds no data.tar")


def idx(data):
    """An array in the IDX format of MNIST: magic number, sizes (big-endian), bytes."""
    data = gzip.decompress(data)
    sizes = np.frombuffer(data, ">u4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes)


def fashion(files):
    """A class-balanced subset: the first images of each class, in the order of the file."""
    arrays = {}
    for split, (stem, wanted) in PER_CLASS.items():
        images, labels = (
            idx(next(d for n, d in files.items() if n.endswith(f"{stem}-{kind}-ubyte.gz")))
            for kind in ("images-idx3", "labels-idx1")
        )
        chosen = np.sort(np.concatenate([np.flatnonzero(labels == k)[:wanted] for k in range(10)]))
        arrays |= {f"{split}_images": images[chosen], f"{split}_labels": labels[chosen]}
    return archive(arrays)


def digits(data):
    """The 8×8 digits: grey values 0, ..., 16 and labels, in the order of the file."""
    rows = np.loadtxt(io.BytesIO(gzip.decompress(data)), delimiter=",").astype(np.uint8)
    return archive({"images": rows[:, :-1].reshape(-1, 8, 8), "labels": rows[:, -1]})


def archive(arrays):
    """The bytes of an .npz with a fixed date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(name + ".npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, entry.getvalue())
    return buffer.getvalue()


def photograph(data, box):
    """The square cut out and averaged down to 256×256, as an 8-bit PNG."""
    left, top, side = box
    with Image.open(io.BytesIO(data)) as picture:
        square = picture.crop((left, top, left + side, top + side)).resize(
            (SIDE, SIDE), Image.Resampling.BOX
        )
    buffer = io.BytesIO()
    square.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fashion", type=pathlib.Path)
    parser.add_argument("photographs", type=pathlib.Path)
    parser.add_argument("digits", type=pathlib.Path)
    parser.add_argument("--into", type=pathlib.Path, default=HERE)
    options = parser.parse_args()
    inputs = {key: source(getattr(options, key), key) for key in PACKAGES}
    made = {"fashion.npz": fashion(members_of_deb(inputs["fashion"]))}
    with zipfile.ZipFile(io.BytesIO(inputs["photographs"])) as wheel:
        for name, (file, box) in PHOTOGRAPHS.items():
            made[f"photographs/{name}.png"] = photograph(wheel.read(f"skimage/data/{file}"), box)
    with zipfile.ZipFile(io.BytesIO(inputs["digits"])) as wheel:
        made["digits.npz"] = digits(wheel.read("sklearn/datasets/data/digits.csv.gz"))
    for name, content in made.items():
        path = options.into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)
        print(hashlib.sha256(content).hexdigest(), name)


if __name__ == "__main__":
    main()
