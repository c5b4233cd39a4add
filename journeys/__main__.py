"""`python -m journeys` is the command `journeys`."""

from journeys import main

main()
