#!/usr/bin/env bash
# Measure Polyhead on this machine (benchmarks/device.py). Nothing is installed or downloaded.
#   [OUT=FOLDER] [PYTHON=python3] benchmarks/device.sh [--limit SECONDS] [--only MODEL ...] [--reduced]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
export CUBLAS_WORKSPACE_CONFIG=:4096:8 # without it cuBLAS is not deterministic

"$python" - <<'PYTHON'
import sys
from importlib.util import find_spec

packages = {
    "torch": "torch", "torchvision": "torchvision", "timm": "timm", "lightning": "lightning",
    "torchmetrics": "torchmetrics", "jsonargparse": "jsonargparse", "jaxtyping": "jaxtyping", "numpy": "numpy",
    "faster_coco_eval": "faster-coco-eval", "cv2": "opencv-python-headless", "PIL": "pillow", "yaml": "pyyaml",
    "matplotlib": "matplotlib", "safetensors": "safetensors",
}
missing = [package for module, package in packages.items() if find_spec(module) is None]
if missing:
    print(
        f"device.sh: {sys.executable} lacks {', '.join(missing)}. Install them, add a folder that has them to "
        "PYTHONPATH, or set PYTHON to another interpreter.",
        file=sys.stderr,
    )
    sys.exit(2)
PYTHON
exec "$python" "$root/benchmarks/device.py" --out "${OUT:-$root/runs/device}" "$@"
