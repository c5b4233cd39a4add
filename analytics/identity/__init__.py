"""Who is one customer: identities, links, shared devices."""
