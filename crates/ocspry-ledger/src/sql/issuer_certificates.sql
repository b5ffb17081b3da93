SELECT der FROM issuer_certificate WHERE issuer = ?1 ORDER BY sequence
