"""What this machine's processor can."""

from typing import Any

import torch

__all__ = ["can"]


def can(*capabilities: str) -> bool:
    """Whether it can any of these, as torch names them: avx512_bf16, amx_bf16. No, where torch does not tell."""
    # versions of torch before 2.13 may not tell
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(name) for name in capabilities)
