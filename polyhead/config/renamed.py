"""Old names of recipe keys, so that an old recipe is refused with the new name."""

from collections.abc import Iterable

from polyhead.errors import suggest

RENAMED = {
    "balance": "loss_weighting",
    "clip": "grad_clip_norm",
    "fixed_norms": "freeze_bn_stats",
    "keep": "continual",
    "kept": "exemplars",
    "licence": "license",
    "memory": "exemplar_mib",
    "mixing": "mix_fraction",
    "rates": "lr_mult",
    "ratio": "epoch_scale",
    "truth": "target",
}
"""Old key -> new key."""


def suggest_key(key: str, known: Iterable[str]) -> str:
    """Return the end of an error message about an unknown key: its new name, else the nearest known key."""
    choices = set(known)
    if RENAMED.get(key) in choices:
        return f"; it has been renamed to {RENAMED[key]!r}"
    return suggest(key, choices)
