"""Training: the library's loop beside a bare one over the same network."""

import copy

import torch
from row import Row

import dpss
from dpss import training
from dpss.network import UNet

ITERATIONS, BATCH = 4, 64


def rows():
    torch.manual_seed(0)
    network, process = UNet(), dpss.vp()
    images = 2 * torch.rand(1000, 28, 28) - 1
    peer = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(peer.parameters(), lr=1e-3, fused=True)

    def bare():
        for i in range(ITERATIONS):
            u0 = images[i * BATCH : (i + 1) * BATCH, None]
            noise, angle = torch.randn(u0.shape), torch.rand(BATCH) * torch.pi / 2
            cos, sin = torch.cos(angle)[:, None, None, None], torch.sin(angle)[:, None, None, None]
            found = peer(cos * u0 + sin * noise, -2 * torch.log(torch.tan(angle)))
            loss = (found - cos * noise + sin * u0).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def ours():
        training.train(
            process,
            images,
            network=network,
            iterations=ITERATIONS,
            batch=BATCH,
            rate=1e-3,
            progress=False,
        )

    yield Row("training, 64 images an iteration", ours, "a bare loop, same network", bare, 0.9)
