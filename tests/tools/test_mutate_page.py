"""The mutation check of pages finds the check that nothing can turn red."""

import os
import subprocess
import sys
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook, writes

ROOT = Path(__file__).resolve().parents[2]
CELLS = (
    "import numpy as np\nimport dpss\nfrom dpss import diffusion\n\nu = np.eye(4) + 2.0",
    "def same(a):\n    return a\n\n\nblurred = diffusion.homogeneous(u, 1.0)",
    'dpss.check("S2", "the mean is kept", blurred.mean() - same(u).mean(), below=1e-9)\n'
    'dpss.check("S2", "a thing is itself", blurred - blurred, below=1e-9)',
    'dpss.check("S2", "half of it", u.mean() - 0.5 * (u + u).mean(), below=1e-9)',
    'half = 0.5 * u\ndpss.check("S2", "twice the half", 2 * half - u, below=1e-9)',
)


def test_a_check_that_proves_nothing_is_listed(tmp_path):
    page = new_notebook(cells=[new_code_cell(source) for source in CELLS])
    (tmp_path / "01-a.ipynb").write_text(writes(page), encoding="utf-8")
    code = (
        f"import pathlib, mutate_page; mutate_page.tried(pathlib.Path('{tmp_path}/01-a.ipynb'), 40)"
    )
    path = os.pathsep.join([str(ROOT / "tools"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    listed = [line for line in done.stdout.splitlines() if line.startswith("never red")]
    assert "4 checks" in done.stdout, done.stderr
    assert any(line.endswith("a thing is itself") for line in listed)
    assert not any(line.endswith(("the mean is kept", "twice the half")) for line in listed)
