# lies at: services/profile/handlers.py
import datetime as dt
import time
from datetime import date, datetime
from time import time as seconds  # breaks the rule

started = datetime.now(dt.UTC)  # breaks the rule
naive = dt.datetime.utcnow()  # breaks the rule
today = date.today()  # breaks the rule
stamp = time.time()  # breaks the rule
elapsed = time.monotonic() + time.perf_counter()
moment = clock.now()
