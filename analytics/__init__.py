"""Lake to answers: stitched paths and the measures over them."""

from analytics.definitions import Exclude, Funnel, Step, duration
from analytics.funnels import funnel
from analytics.store import Paths, StoreWriter

__all__ = ["Exclude", "Funnel", "Paths", "Step", "StoreWriter", "duration", "funnel"]
