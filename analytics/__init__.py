"""Lake to answers: stitched paths and the measures over them."""
