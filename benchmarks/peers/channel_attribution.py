"""Markov credit by ChannelAttribution, of ready paths: in a file of text, one path a row; prints its times and credits.

    python benchmarks/peers/channel_attribution.py PATHS.csv

Runs in an environment of its own, as the package has another licence (GPL).
"""

from __future__ import annotations

import json
import resource
import sys
import time

import pandas as pd
from ChannelAttribution import markov_model

frame = pd.read_csv(sys.argv[1])
wall, cpu = time.perf_counter(), time.process_time()
found = markov_model(frame, "path", "total_conversions", var_null="total_null", order=1, verbose=0)
credits = found if isinstance(found, pd.DataFrame) else found["result"]
times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
names = [column for column in credits.columns if column != "channel_name"]
rows = dict(zip(credits["channel_name"], credits[names[0]].astype(float), strict=True))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({**times, "peak_mb": peak, "credits": rows}))
