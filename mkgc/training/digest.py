"""A digest of what a network makes of its inputs: of its weights, and of how inputs are encoded for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import torch
from torch import nn


def weights_digest(network: nn.Module, encoding: Mapping[str, Any]) -> str:
    """The digest of a network's weights with plain values that say how its inputs are ``encoded``."""
    found = blake2b(json.dumps(encoding, sort_keys=True).encode(), digest_size=16)
    for name, value in network.state_dict().items():
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
