from typing import Any

import pytest
import torch

from mkgc.heads.mention import MentionClassifier

SPANS = torch.tensor([[1, 3], [4, 5]])


@pytest.mark.parametrize(
    ("pooling", "pooled"),
    [
        ("first", lambda x, start, end: x[start]),
        ("mean", lambda x, start, end: sum(x[i] for i in range(start, end)) / (end - start)),
        ("cls", lambda x, start, end: x[0]),
    ],
)
def test_a_mention_is_the_state_that_its_pooling_names(pooling: Any, pooled: Any) -> None:
    head, states = MentionClassifier(6, 3, pooling), torch.randn(2, 5, 6)
    expected = [pooled(x, *span) for x, span in zip(states, SPANS.tolist(), strict=True)]
    torch.testing.assert_close(head.pool(states, SPANS), torch.stack(expected))
    torch.testing.assert_close(head(states, SPANS), head.classifier(torch.stack(expected)))
