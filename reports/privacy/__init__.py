"""Which numbers may be published: small counts are withheld, others rounded or bounded."""
