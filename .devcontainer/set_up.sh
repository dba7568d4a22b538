#!/usr/bin/env bash
# What a new container runs once: the course's packages in .venv, with the small build of PyTorch
# where its index can be reached, and the lab's model.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 -m venv .venv
torch=$(grep '^torch==' requirements.txt)
.venv/bin/pip install --quiet --retries 0 "$torch" --index-url https://download.pytorch.org/whl/cpu ||
    echo "PyTorch's own index does not answer: the build of PyPI is taken."
.venv/bin/pip install --quiet -r requirements.txt
.venv/bin/python -c "from workbook.lab.model import weights; weights.ensure()"
echo "Ready: open notebooks/00_start_here.ipynb with the kernel of .venv, or run"
echo "  .venv/bin/jupyter lab notebooks/00_start_here.ipynb"
