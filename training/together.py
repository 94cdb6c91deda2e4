"""Training on several cards of one machine: `torchrun --nproc-per-node 2 -m training.train CONFIG`.

Each process holds the whole state and draws its own faces; gradients are averaged before every step, so the states stay
equal. They are averaged here, in one message, and not by DistributedDataParallel: that wraps a module's forward pass,
and the discriminator is run twice a step, once without gradients of its own and once, now and then, with a penalty that
needs second derivatives; beside torch.compile a plain sum after `backward` has no such cases.
"""

from __future__ import annotations

import os

import torch
from torch import distributed, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters


def join(device_name: str) -> torch.device:
    """Joins the processes that torchrun started, if it did; the device of this one.

    Clocks and stops are agreed over a second, slow channel that does not hold up the cards.
    """
    if "RANK" not in os.environ:
        return torch.device(device_name)
    if device_name != "cuda":
        distributed.init_process_group("gloo")
        return torch.device(device_name)
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    distributed.init_process_group("cpu:gloo,cuda:nccl")
    return device


def leave() -> None:
    """Ends what `join` began."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rank() -> int:
    """Number of this process, 0 for the one that writes files and lines."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def processes() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def agree(value: float) -> float:
    """The first process's value, in all of them; so that all end at the same step."""
    if not distributed.is_initialized():
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    distributed.broadcast(shared, 0)
    return shared.item()


def share_state(network: nn.Module) -> None:
    """Gives the first process's parameters to all: what is drawn at random at the start differs between them."""
    if distributed.is_initialized():
        with torch.no_grad():
            values = parameters_to_vector(network.parameters())
            distributed.broadcast(values, 0)
            vector_to_parameters(values, network.parameters())


def average_gradients(network: nn.Module) -> None:
    """Replaces each gradient by its mean over all processes."""
    if not distributed.is_initialized():
        return
    gradients = [each.grad for each in network.parameters() if each.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    parts = flat.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)])
