"""The truth audit: recomputes every published number of a report site from the landed events, and judges its sentences.

It shares no code with `analytics` or `reports`. It reads the lake's Delta tables, `journeys.toml` and the files of the
site, stitches identities, cuts journeys, counts, and applies the rules of publication by itself, slowly and plainly.

    python -m tests.audit SITE LAKE [--config journeys.toml]
"""
