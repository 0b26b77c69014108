"""What is drawn anew of each sentence in each epoch: by a seed, the epoch and its place in the corpus alone."""

from __future__ import annotations

from dataclasses import dataclass

from mkgc.app.ranges import Natural, Share


@dataclass(frozen=True)
class Drawing:
    """How much is hidden or changed, as shares.

    ``words`` of a sentence's pieces are masked (:class:`mkgc.data.masking.WordMasking`), not within mentions where
    ``in_mentions`` is false; of its ``mentions``, each with all of its pieces, beside these. ``replaced`` mentions get
    the name of another entity. ``unaligned`` mentions are not tied to their node of the graph, ``swapped`` ones are
    tied to the node of any entity instead.

    Of the pairs of a sentence's mentions up to ``pairs`` are asked about: first those that the graph relates.

    Source: 15 % of words, BERT (Devlin et al., 2019); 10 % of mentions, KLMo (He et al., 2021); 15 % unaligned and 5 %
    swapped, ERNIE (Zhang et al., 2019), section 3.4; WKLM (Xiong et al., 2020) masks 5 %, outside of mentions.
    """

    words: Share = 0.15
    in_mentions: bool = True
    mentions: Share = 0.1
    replaced: Share = 0.0
    unaligned: Share = 0.0
    swapped: Share = 0.0
    pairs: Natural = 16
