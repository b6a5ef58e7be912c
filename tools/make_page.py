"""Puts the browser's runtime beside the page, from its package: `make page`, with Node.js.

The runtime is compressed, which takes three quarters of it away; the page decompresses it. The modules of the page are
plain JavaScript, which is served as it stands here; their types are checked.
"""

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "src" / "ctm" / "page" / "runtime"
PACKAGE = ROOT / "node_modules" / "onnxruntime-web"
PLAIN = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs")
COMPRESSED = "ort-wasm-simd-threaded.wasm"


def main() -> None:
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm: not found; the page is made with Node.js 20 or newer, which has it")
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=ROOT, check=True)
    RUNTIME.mkdir(exist_ok=True)
    for name in PLAIN:
        shutil.copyfile(PACKAGE / "dist" / name, RUNTIME / name)
    content = (PACKAGE / "dist" / COMPRESSED).read_bytes()
    (RUNTIME / f"{COMPRESSED}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    subprocess.run([ROOT / "node_modules" / ".bin" / "tsc", "--project", ROOT], check=True)
    print(f"{RUNTIME.relative_to(ROOT)}: {sum(path.stat().st_size for path in RUNTIME.iterdir()):,} bytes")


if __name__ == "__main__":
    main()
