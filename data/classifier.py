"""Train the classifier whose features `dpss.measures.frechet_distance` uses; write classifier.npz:

    python data/classifier.py FASHION_PACKAGE.deb [--into FOLDER]

Trains on all 60,000 images of Fashion-MNIST (the package of `rebuild.py`, checksum verified), four
minutes on one core; prints the accuracy on the 10,000 test images. Seeded; yet processors round
differently and training amplifies it, so another machine makes other weights, about as good. The
checksum in sources.toml is that of the shipped file. The file is written whole, after training.
"""

import argparse
import hashlib
import pathlib

import torch
from rebuild import HERE, archive, idx, members_of_deb, source

from dpss import _files
from dpss.features import Classifier

SEED, EPOCHS, BATCH, RATE = 1, 14, 128, 2e-3


def load(files, stem):
    """Images in [−1, 1] (n, 1, 28, 28) and labels (n,)."""
    images, labels = (
        torch.from_numpy(
            idx(next(d for n, d in files.items() if n.endswith(f"{stem}-{kind}-ubyte.gz"))).copy()
        )
        for kind in ("images-idx3", "labels-idx1")
    )
    return images[:, None].float() / 127.5 - 1, labels.long()


def train(images, labels):
    torch.manual_seed(SEED)
    network, generator = Classifier(), torch.Generator().manual_seed(SEED)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * steps)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(images), generator=generator)
        for chosen in order[: steps * BATCH].split(BATCH):
            batch, mirrored = images[chosen], torch.rand(BATCH, generator=generator) < 0.5
            batch[mirrored] = batch[mirrored].flip(-1)
            loss = torch.nn.functional.cross_entropy(network(batch), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss of the last batch {loss.item():.3f}", flush=True)
    return network.half().float().eval()  # as it is stored


def accuracy(network, images, labels):
    with torch.no_grad():
        named = torch.cat([network(chunk).argmax(1) for chunk in images.split(500)])
    return (named == labels).double().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fashion", type=pathlib.Path)
    parser.add_argument("--into", type=pathlib.Path, default=HERE)
    options = parser.parse_args()
    files = members_of_deb(source(options.fashion, "fashion"))
    torch.set_num_threads(1)
    network = train(*load(files, "train"))
    print(f"accuracy on the test images: {accuracy(network, *load(files, 't10k')):.4f}")
    weights = {name: value.half().numpy() for name, value in network.state_dict().items()}
    content = archive(weights)
    _files.write(options.into / "classifier.npz", content)
    print(hashlib.sha256(content).hexdigest(), "classifier.npz")


if __name__ == "__main__":
    main()
