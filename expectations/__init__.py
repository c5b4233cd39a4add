"""The event contract, rules about events, gate, audit, and access to the lake. Imports no other package of ours."""
