"""Pictures a second that each augmentation changes, and crop and flip together.

OMP_NUM_THREADS=1 python benchmarks/augmentation.py
"""

import argparse

import torch
from steps import alternate, summary

from ctm.tasks.images import AutoAugment, Crop, Flip, ResizedCrop
from ctm.tasks.images.augmentation import apply_all, draw_all


def measure(side: int, batch: int, repeats: int) -> list[str]:
    """The lines of the table: random numbers are drawn, too."""
    source = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (batch, 3, side, side), generator=source, dtype=torch.uint8)
    crop, flip = Crop(side // 8), Flip()
    chosen = {
        "crop": (crop,),
        "flip": (flip,),
        "crop, flip": (crop, flip),
        "resized_crop": (ResizedCrop(side),),
        "auto_augment": (AutoAugment(),),
    }
    ways = {
        name: lambda parts=parts: apply_all(parts, pictures, draw_all(parts, batch, source))
        for name, parts in chosen.items()
    }
    taken = alternate(ways, repeats, "cpu")
    return [f"| {name} | {batch / summary(taken[name])['median']:,.0f} |" for name in chosen]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=32, help="height and width of the pictures")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    print("| augmentation | pictures a second |\n| --- | --- |")
    print("\n".join(measure(arguments.side, arguments.batch, arguments.repeats)))
