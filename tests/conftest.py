import os

# Before any import of the hub's client: it reads them once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "offline"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)  # tiny models: measured 21 ms a step with one thread, 182 with two


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
