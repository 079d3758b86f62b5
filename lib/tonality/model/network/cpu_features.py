"""CPU features, as torch reports them."""

from typing import Any

import torch

__all__ = ["has_any_cpu_feature"]


def has_any_cpu_feature(*names: str) -> bool:
    """True if the CPU has any of these features, by torch's names: avx512_bf16, amx_bf16.

    False where torch does not report features, as before version 2.13.
    """
    features: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(features.get(name) for name in names)
