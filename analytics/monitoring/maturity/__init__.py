"""How mature work on customer journeys is: fifteen questions in five domains, and what the lake says beside them."""
