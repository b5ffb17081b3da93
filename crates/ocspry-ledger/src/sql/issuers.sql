SELECT sequence, name, identity FROM issuer ORDER BY sequence
