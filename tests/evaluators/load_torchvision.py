"""torchvision beside any build of torch: import this module before what needs torchvision."""

from __future__ import annotations

import torch

try:
    import torchvision
except RuntimeError:
    # torchvision's compiled operators load only beside the build of torch that they were compiled
    # for (CUDA's or the CPU's). Declared by name alone they are not missed: no network in the
    # tests calls them.
    declared = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        declared.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

__all__ = ["torchvision"]
