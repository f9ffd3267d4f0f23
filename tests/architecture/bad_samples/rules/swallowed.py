# lies at: shared/worker/loop.py
import contextlib

try:
    work()
except:  # breaks the rule
    log()

for each in work():
    try:
        each()
    except Exception:  # breaks the rule
        continue
    try:
        each()
    except (ValueError, BaseException):  # breaks the rule
        """Nothing to see here."""
    try:
        each()
    except ValueError:
        pass
    try:
        each()
    except Exception:
        log()
        raise

with contextlib.suppress(Exception):  # breaks the rule
    work()
with contextlib.suppress(ValueError):
    work()
