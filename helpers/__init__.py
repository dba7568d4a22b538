"""What the notebooks import: one module per subject. The lab lives in `helpers.lab`, reached by HTTP."""
