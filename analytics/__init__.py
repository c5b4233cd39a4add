"""Lake to answers: stitched paths and the measures over them."""

from analytics.definitions import Funnel, Step, duration
from analytics.store import Paths, StoreWriter

__all__ = ["Funnel", "Paths", "Step", "StoreWriter", "duration"]
