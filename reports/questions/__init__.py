"""The report's queries to analytics: the only package of reports that computes with it."""
