"""A step of PyTorch's fused AdamW on 100 million parameters in 200 leaves, the gradients given.

Standalone: it imports nothing of this project. The last line printed is one JSON object: the
milliseconds of the fastest of some steps.

    python peers/torch_adamw.py --device cuda
"""

import argparse
import json
import time

import torch

WARM_UP, CALLS = 3, 20


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--leaves", type=int, default=200)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    params = [torch.randn(1000, 500, device=options.device) for _ in range(options.leaves)]
    for weight in params:
        weight.grad = weight.flip(0) + 1e-3
    optimizer = torch.optim.AdamW(params, lr=1e-6, weight_decay=1e-2, fused=True)
    times = []
    for _ in range(WARM_UP + CALLS):
        started = time.perf_counter()
        optimizer.step()
        if options.device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    print(json.dumps({"ms": min(times[WARM_UP:]) * 1e3}))


if __name__ == "__main__":
    main()
