"""A scoring in a process of its own: the model libraries and a year of receipts are gone when it ends.

Started by the worker as `python -m services.churn.scoring_process REQUEST_ID AS_OF`, in the worker's environment.
"""

import sys

from shared import lean_lightgbm

if __name__ == "__main__":
    lean_lightgbm.load()
    # Not at the top: it imports LightGBM, which would be the whole one.
    from services.churn import scoring_run

    scoring_run.main(sys.argv[1:])
