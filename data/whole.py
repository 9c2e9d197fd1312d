"""Make what needs all of Fashion-MNIST, from the package of `rebuild.py`, checksum verified:

    python data/whole.py FASHION_PACKAGE.deb --into FOLDER

fashion-all.npz: the 60,000 training images, uint8, and their labels, to train on (30 MB, not
shipped). moments.npz: mean and covariance of the features that the shipped classifier sees in them,
the reference of `dpss.measures.frechet_distance`. Files are written whole.
"""

import argparse
import pathlib

import numpy as np
import torch
from classifier import load
from rebuild import archive, members_of_deb, source

from dpss import _files
from dpss.features import features


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fashion", type=pathlib.Path)
    parser.add_argument("--into", type=pathlib.Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = load(members_of_deb(source(options.fashion, "fashion")), "train")
    seen = features(images[:, 0]).numpy()
    grey = ((images[:, 0] + 1) * 127.5).round().to(torch.uint8)
    arrays = {
        "fashion-all": {"images": grey.numpy(), "labels": labels.numpy()},
        "moments": {"mean": seen.mean(0), "covariance": np.cov(seen, rowvar=False)},
    }
    for name, found in arrays.items():
        _files.write(options.into / f"{name}.npz", archive(found))


if __name__ == "__main__":
    main()
