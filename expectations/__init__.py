"""What we believe about events: the contract, the layout of the lake, the gate. Imports none of our other rooms."""
