"""Run on Google Colab by each notebook's first cell: what Colab lacks, and the way to the course.

Knows requirements-colab.txt, whose lower bounds replace nothing that Colab ships.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    lacking = str(ROOT / "requirements-colab.txt")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-r", lacking], check=True)
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
